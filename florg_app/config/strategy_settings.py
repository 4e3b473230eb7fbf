"""Settings of the rule: which method, how uploads weigh, what clients send, and what the server makes of the mean."""

from typing import Annotated, Literal

from annotated_types import Ge, Lt
from pydantic import AfterValidator

from florg_app.config.flat import Unset, Words
from florg_app.config.section import Positive, Section, Share
from strategies import METHODS
from strategies.exchange.uploads import UploadForm


def _known_method(name: str) -> str:
    if name not in METHODS:
        raise ValueError(f"choose one of {', '.join(METHODS)}")
    return name


class StrategySettings(Section, frozen=True):
    name: Annotated[str, AfterValidator(_known_method), Words(" | ".join(METHODS))] = "florg"
    weighting: Literal["method", "uniform", "examples"] = "method"
    """Aggregation weights: as the method's paper, 1 per client, or by number of training examples."""
    upload: UploadForm = "tensors"
    """What clients send: the tensors that they trained, or the summand that the method makes of them."""
    server_optimizer: Literal["none", "fedavgm", "fedadam", "fedyogi", "fedadagrad"] = "none"
    """What steps towards the mean of the uploads, where they are what is averaged."""
    server_learning_rate: Annotated[Positive | None, Unset(-1.0, "1 with fedavgm, 0.01 with the others")] = None
    server_momentum: Annotated[
        Annotated[float, Ge(0), Lt(1)] | None, Unset(-1.0, "0 with fedadagrad, 0.9 with the others")
    ] = None
    """beta of "fedavgm", beta1 of the others."""
    server_beta2: Share = 0.99
    """Of "fedadam" and "fedyogi"."""
    server_tau: Positive = 0.001
    """Of all but "fedavgm": how far from zero the divisor stays."""
