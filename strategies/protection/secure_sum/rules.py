"""What all clients and the server agree on before any secure sum of a run, and what its messages then cost."""

from dataclasses import dataclass

from strategies.exchange.traffic import Traffic
from strategies.protection.secure_sum.client_steps import FEWEST
from strategies.protection.secure_sum.fixed_point import FixedPoint
from strategies.protection.secure_sum.messages import (
    PUBLIC_BYTES,
    dealt_bytes,
    parcel_bytes,
    participants_bytes,
    revealed_bytes,
    survivors_bytes,
)


@dataclass(frozen=True)
class SecureSumRules:
    """Of every round's sum."""

    max_dropouts: int
    """How many of the clients asked may drop out of a round, before any step."""
    max_number: float
    """The largest absolute value in a summand."""
    max_weight: int = 1
    """The largest weight of a client."""

    def threshold(self, num_asked: int) -> int:
        """Return the fewest clients whose summands make a sum, of so many asked."""
        return num_asked - self.max_dropouts

    def refusal(self, num_asked: int) -> str:
        """Say why so many clients cannot have a secure sum; empty where they can."""
        threshold = self.threshold(num_asked)
        if threshold >= FEWEST and 2 * threshold > num_asked:
            return ""
        return (
            f"of {num_asked} clients privacy.max-dropouts = {self.max_dropouts} may drop out, which leaves "
            f"{max(threshold, 0)}; a secure sum needs at least {FEWEST} and more than half of them"
        )

    def point(self, num_clients: int) -> FixedPoint:
        """Return the fixed point of a sum of so many clients, those in the list of keys."""
        return FixedPoint(num_clients, self.max_number, self.max_weight)


def predict_messages(num_keys: int, num_dealers: int, num_survivors: int, num_revealed: int) -> tuple[Traffic, Traffic]:
    """Predict (up, down) of one secure sum beside broadcast and uploads, by how many clients answered each step."""
    up = num_keys * PUBLIC_BYTES + num_dealers * dealt_bytes(num_keys) + num_revealed * revealed_bytes(num_dealers)
    to_all = num_keys * participants_bytes(num_keys)
    down = to_all + num_dealers * parcel_bytes(num_dealers) + num_survivors * survivors_bytes(num_survivors)
    return Traffic(wire_bytes=up), Traffic(wire_bytes=down)
