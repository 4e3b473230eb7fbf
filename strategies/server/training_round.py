"""One round on the server, from the clients that are asked to the new state or the reason why there is none."""

import time
from collections.abc import Sequence
from math import prod

import torch
from flwr.app import Message

from strategies.exchange.coding import longest_record
from strategies.exchange.ranks import completed, led_state
from strategies.exchange.screening import ArraysReader, Asked, Rejected, Upload
from strategies.exchange.uploads import zero_update
from strategies.manifest import state_at_start
from strategies.plan import Role
from strategies.protection.privacy import Release
from strategies.protection.robust import lowered_shares, most_lowered
from strategies.protection.secure_sum.fixed_point import WORD_DTYPE
from strategies.protection.secure_sum.upload import WEIGHT_KEY, Sizes, unpack_words
from strategies.server.change_norms import change_norms
from strategies.server.changes_reader import reader_of
from strategies.server.combination import Combination
from strategies.server.cost_meter import CostMeter
from strategies.server.diagnostics import diagnose
from strategies.server.replies import Verdict
from strategies.server.round_policy import raw_weight
from strategies.server.round_record import RoundRecord
from strategies.server.round_setup import RoundSetup
from strategies.server.secure_round import SecureRound, counting_release
from strategies.state import Shapes, State


class Round:
    """Round t: what was sent to whom, the verdicts taken so far, and what they come to.

    Its `record` is complete but for the evaluation once `finish` has returned.
    """

    def __init__(
        self,
        setup: RoundSetup,
        state: State,
        sent: Sequence[tuple[Message, Asked]],
        record: RoundRecord,
        release: Release | None = None,
        secure: SecureRound | None = None,
        noise_variance: float = 0.0,
        clip: float | None = None,
    ) -> None:
        """`state` is the server's, before the round, as clients received it; `release` and `noise_variance` as in
        `Combination`; `clip` as in `ChangesReader`; `secure` makes sums of uploads.
        """
        self.t, self.sent, self.record, self.begun, self._clip = record.t, sent, record, state, clip
        self._setup = setup
        self._manifest = setup.manifest.in_round(setup.method, record.t)
        self._start = state_at_start(setup.method, setup.manifest, state, record.t)
        self._sizes: dict[int, Sizes] = {}
        self._led: dict[int, State] = {}
        """By rank: the state from which a client's part was cut."""
        self._secure = secure
        self._costs = CostMeter(setup.memory, setup.policy.measure_costs)
        if release is not None and secure is not None:
            release = counting_release(release, secure)
        contributed = setup.policy.upload == "summand"
        reduce = setup.policy.robust.reduction
        # Where all count alike nobody has too much, and no upload need be held in case. A secure sum is one upload.
        alike = setup.policy.weighting == "uniform" or secure is not None
        share = 1.0 if alike else setup.policy.robust.max_share
        self._means = {} if contributed else setup.mean_updates(self._start, most_lowered(share))
        self._combination = Combination(
            setup.method,
            record.t,
            self._start,
            setup.device,
            self._means,
            contributed,
            reduce,
            release,
            share,
            self._manifest.at(setup.method.active_rank(record.t, self._manifest.rank)).uplink,
            noise_variance,
            setup.policy.server_optimizer,
        )
        self._seconds = 0.0

    @property
    def reader(self) -> ArraysReader:
        """What reads the arrays of an upload."""
        setup = self._setup
        if self._secure is not None:
            return unpack_words
        return reader_of(setup.policy.wire.upload, self._manifest, self.zero_update, self._clip)

    @property
    def messages(self) -> list[Message]:
        return [message for message, _ in self.sent]

    @property
    def partitions(self) -> list[int]:
        """The clients that are asked."""
        return [asked.partition for _, asked in self.sent]

    @property
    def lowered(self) -> dict[int, int]:
        """By partition: the ranks of accepted uploads that are below the rank asked for."""
        asked = {asked.partition: asked.rank for _, asked in self.sent}
        return {done.partition: done.rank for done in self.record.accepted if done.rank < asked[done.partition]}

    def zero_update(self, rank: int) -> State:
        """Make the upload of a client of this rank that did no training."""
        setup = self._setup
        form = setup.policy.upload
        return zero_update(form, setup.method, self.t, self._led_by(rank), self._manifest.at(rank))

    def _led_by(self, rank: int) -> State:
        if rank not in self._led:
            self._led[rank] = led_state(self._setup.method, self._start, rank, self._setup.manifest.rank)
        return self._led[rank]

    def _completed(self, tensors: State, rank: int) -> State:
        """An upload of this rank at the largest rank."""
        return completed(self._setup.method, tensors, self._led_by(rank), self._sizes_at(self._setup.manifest.rank))

    @property
    def most_bytes(self) -> int:
        """That the arrays of one reply have at most."""
        if self._secure is not None:
            sizes = {WEIGHT_KEY: (1,), **self._sizes_of_sum}.values()
            return longest_record(sizes, lambda size: prod(size) * WORD_DTYPE.itemsize)
        sizes = self._sizes_at(self._setup.manifest.rank).values()
        return longest_record(sizes, self._setup.policy.wire.upload.payload_bytes)

    def shapes(self, rank: int) -> Shapes:
        """Return the wire keys and shapes of an upload of this rank; in a secure sum those of any."""
        return self._sizes_at(rank) if self._secure is None else self._sizes_of_sum

    @property
    def _sizes_of_sum(self) -> Sizes:
        """Of the uploads of a secure sum: clients of a lower rank pad theirs to the largest of the round."""
        return self._sizes_at(self._setup.method.active_rank(self.t, self._setup.manifest.rank))

    def _sizes_at(self, rank: int) -> Sizes:
        if rank not in self._sizes:
            self._sizes[rank] = self.zero_update(rank).sizes
        return self._sizes[rank]

    def change_norms(self, uploads: Sequence[Upload]) -> list[float]:
        """Return how much each upload changes; what clients only report does not count, for it has no reference."""
        setup = self._setup
        return change_norms(
            uploads,
            setup.method,
            setup.policy.upload,
            self.t,
            self._start,
            self.zero_update,
            self._completed,
            self._manifest.shapes(Role.REPORTED),
        )

    def take(self, verdict: Verdict) -> None:
        """Aggregate an upload, or record why a reply is not used."""
        if isinstance(verdict, Rejected):
            self.record.rejected.append(verdict)
        else:
            self._use(verdict)

    def _use(self, upload: Upload) -> None:
        start = time.monotonic()
        if self._secure is not None:
            with self._costs.phase():
                self._secure.add(upload.partition, upload.tensors)
        else:
            weight = raw_weight(self._setup.policy.weighting, self._setup.manifest.plan, upload)
            self._combine(upload.tensors, upload.rank, weight)
            self.record.weights[upload.partition] = weight
        self.record.accept(upload)
        self._seconds += time.monotonic() - start

    def _combine(self, tensors: State, rank: int, weight: float) -> None:
        with self._costs.phase():
            self._combination.add(self._completed(tensors, rank), weight)

    def finish(self) -> State | None:
        """Return the state after the round, or None with the reason in the record."""
        start, record, secure = time.monotonic(), self.record, self._secure
        waited = 0.0 if secure is None else secure.seconds
        new_state = None
        record.skipped = self._reason_to_skip()
        if not record.skipped:
            new_state = self._combined()
        if new_state is not None and self._setup.bases is not None:
            record.diagnostics = diagnose(self._setup.manifest, self._means, self._combination, new_state)
        record.seconds["aggregate"] = self._seconds + time.monotonic() - start
        if secure is not None:
            record.seconds["aggregate"] -= secure.seconds - waited
            record.seconds["secure-sum"] = secure.seconds
            record.rejected += secure.rejected
            record.beside_uploads, record.down = record.beside_uploads + secure.up, record.down + secure.down
            record.secure_sum = secure.as_dict()
        record.costs = self._costs.as_dict()
        return new_state

    def _reason_to_skip(self) -> str:
        """Why nothing can be made of what was accepted; empty where it can."""
        record, needed, secure = self.record, self._setup.policy.min_uploads, self._secure
        if secure is not None and secure.lacks_uploads():
            return secure.reason
        if len(record.accepted) < needed:
            return f"{len(record.accepted)} of {len(record.sampled)} uploads accepted, min-uploads = {needed}"
        if secure is not None:
            mean = secure.close(self._sizes_of_sum)
            if mean is None:
                return secure.reason
            self._combine(mean.tensors, self._setup.manifest.rank, mean.weight)
        return "" if any(self._combination.weights) else "every upload has weight 0: no client changed its adapters"

    def _combined(self) -> State | None:
        """The combined state, or None with the reason in the record."""
        try:
            with self._costs.phase():
                new_state = self._combination.finish()
        except torch.linalg.LinAlgError as error:  # pyright: ignore[reportPrivateImportUsage]  # documented name
            self.record.skipped = f"the aggregation failed: {error}"
            return None
        if self._secure is None:  # of a secure sum nobody knows what one client counts for
            self.record.lowered = lowered_shares(self.record.weights, self._combination.weights)
        if not all(bool(torch.isfinite(tensor).all()) for tensor in new_state.flat.values()):
            self.record.skipped = "the combined state is not finite: an upload was huge"
            return None
        return new_state
