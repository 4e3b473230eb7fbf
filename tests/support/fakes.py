"""A federation without models: clients that move the received tensors by numbers drawn from (round, partition)."""

from collections.abc import Callable, Mapping

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict

from florg_app.client_side.secure_sum import SecureSumClient
from florg_app.engines.inline import InProcessGrid
from strategies.exchange.changes import encode_changes, known_start
from strategies.exchange.codecs.table import AS_IT_IS, Wire
from strategies.exchange.coding import RoundingStream, decode_record
from strategies.exchange.lineage import Attempt, Lineage
from strategies.exchange.ranks import completed, cut, led_state, limited, padded, rank_of
from strategies.exchange.screening import Upload
from strategies.exchange.secure_step import read_step
from strategies.exchange.traffic import Traffic
from strategies.exchange.train_request import TrainRequest
from strategies.exchange.uploads import UploadForm, encode_upload, zero_update
from strategies.exchange.wire import ARRAYS, CONFIG, EXAMPLES, METRICS, PARTITION, RANK, Malformed, pack, upload
from strategies.manifest import Manifest, state_at_start
from strategies.method import Method
from strategies.methods.florg import FLoRG
from strategies.plan import Role
from strategies.protection.privacy import PrivacyLedger
from strategies.protection.secure_sum.rules import SecureSumRules
from strategies.protection.secure_sum.upload import mask_upload
from strategies.rng import generator
from strategies.server.combination import Combination
from strategies.server.round_policy import Policy, raw_weight
from strategies.server.round_record import RoundRecord
from strategies.server.strategy import FederatedAdapters
from strategies.state import HEAD, HEAD_SYMBOL, Group, Shapes, State
from tests.support.rounds import frozen

GROUPS = (Group(6, 5, ("a", "b", "c")), Group(4, 7, ("d",)))
SEED = 3
IDENTITY = {"source": "s", "backbone": "w"}
Fault = Callable[[Message], Message | None]
"""Changes a reply; raising makes the client fail."""


def manifest_of(method: Method, rank: int = 2, seed: int = SEED) -> Manifest:
    """Three layers of (6, 5), one of (4, 7), and a head of 9 numbers."""
    return Manifest(method.name, method.plan, GROUPS, (("w", (2, 4)), ("b", (1,))), rank, 8.0, seed)


def initial_state(method: Method, manifest: Manifest) -> State:
    adapters = {
        g.name: {
            **method.initial(g, manifest.rank, manifest.seed),
            **method.from_weights(g, manifest.rank, manifest.scale, frozen),
        }
        for g in manifest.groups
    }
    head = {HEAD: {HEAD_SYMBOL: torch.linspace(-1, 1, manifest.head_numbers)}}
    return State({**adapters, **head}).select(manifest.held)


def moved(manifest: Manifest, state: State, t: int, partition: int) -> State:
    """What the client of this partition makes of a state in round t; what is not broadcast it starts from zero."""
    given = {**state.flat, **{key: torch.zeros(shape) for key, shape in manifest.shapes(Role.REPORTED).items()}}
    uploads = {}
    for key in manifest.uplink:
        noise = generator(0, "client", t, partition, key).standard_normal(given[key].shape)
        uploads[key] = given[key] + 0.1 * torch.from_numpy(noise).float()
    return State.from_flat(uploads)


def served(method: Method, manifest: Manifest, state: State, t: int, partition: int, rank: int) -> tuple[int, State]:
    """(rank, tensors) that a client of this rank uploads in round t."""
    trained = limited(moved(manifest, state, t, partition), manifest, rank)
    rank = method.pruned_rank(rank, limited(state, manifest, rank), trained)
    return rank, cut(trained, manifest.at(rank).uplink)


def asked(method: Method, num_clients: int = 4) -> list[int]:
    """The partitions that take part in a round of all clients."""
    return [0] if method.traits.pooled else list(range(num_clients))


def known(shapes: Shapes, state: State) -> dict[str, tuple[int, ...]]:
    """Shapes without a free size, which is that of the tensor in the state."""
    return {key: state.sizes[key] if None in shape else tuple(s or 0 for s in shape) for key, shape in shapes.items()}


def examples_of(partition: int) -> int:
    return 10 * (partition + 1)


class ToyClient:
    """Answers like the real ClientApp; `faults` maps (round, partition) to what goes wrong with its upload."""

    def __init__(
        self,
        method: Method,
        manifest: Manifest,
        faults: Mapping[tuple[int, int], Fault] | None = None,
        form: UploadForm = "tensors",
        secure: SecureSumRules | None = None,
        wire: Wire = AS_IT_IS,
    ) -> None:
        self.method, self.manifest, self.faults, self.form = method, manifest, faults or {}, form
        self.secure, self.wire = secure, wire
        self.rests: dict[int, State] = {}
        self.served: list[tuple[int, int]] = []
        self.once: dict[int, State] = {}
        """By partition: what was sent once."""

    def __call__(self, message: Message, context: Context) -> Message:
        partition = int(context.node_config["partition-id"])
        if message.metadata.message_type == "query":
            return Message(RecordDict({METRICS: MetricRecord({PARTITION: partition})}), reply_to=message)
        if message.metadata.message_type != "train":
            return self.answer_step(message, context, partition)
        request = TrainRequest.from_config(message.content.config_records[CONFIG])
        t, rank = request.t, request.rank
        self.served.append((t, partition))
        manifest = self.manifest.in_round(self.method, t)
        layout = manifest.at(rank)
        shapes = {**layout.downlink, **layout.once} if request.carries else layout.downlink
        coding = dict.fromkeys(layout.downlink, self.wire.broadcast)
        state = decode_record(message.content.array_records[ARRAYS], shapes, coding)
        assert not isinstance(state, Malformed)
        if request.carries:
            self.once[partition] = state.select(layout.once)
        received = padded(state.select(layout.downlink), manifest.downlink)
        begins = state_at_start(self.method, manifest, received.join(self.once.get(partition, State())), t)
        rank, tensors = served(self.method, manifest, begins, t, partition, rank)
        sent = encode_upload(self.form, self.method, t, begins, tensors)
        if self.secure is None:
            arrays = self.coded(sent, begins, t, partition)
        else:
            arrays = self.masked(sent, begins, message, context)
        metrics = {PARTITION: partition, EXAMPLES: examples_of(partition), RANK: rank, "loss": 1.0 / (t + partition)}
        reply = Message(upload(arrays, t, metrics), reply_to=message)
        fault = self.faults.get((t, partition))
        return reply if fault is None else fault(reply)

    def coded(self, sent: State, begins: State, t: int, partition: int) -> ArrayRecord:
        """The arrays of an upload as they are, or in the codec of the run with what is left of earlier ones."""
        if self.wire.upload.exact:
            return pack(sent, sent.sizes)
        reference, stream = known_start(self.manifest, begins, sent.sizes), RoundingStream(SEED, t, partition)
        earlier = self.rests.get(partition) if self.wire.feedback else None
        arrays, self.rests[partition] = encode_changes(sent, reference, earlier, self.wire.upload, stream)
        return arrays

    def answer_step(self, message: Message, context: Context, partition: int) -> Message:
        """A query step of a secure sum; `faults` has its faults under (round, partition, step)."""
        request = read_step(message.content)
        reply = Message(SecureSumClient(context, self.secure, partition, request).answer(), reply_to=message)
        fault = self.faults.get((request.context.t, partition, request.step))
        return reply if fault is None else fault(reply)

    def masked(self, sent: State, begins: State, message: Message, context: Context) -> ArrayRecord:
        """The arrays of a client's part in a secure sum, as long as those of the largest rank."""
        partition, request = int(context.node_config["partition-id"]), read_step(message.content)
        client = SecureSumClient(context, self.secure, partition, request)
        opened = client.open()
        t, largest = request.context.t, self.method.active_rank(request.context.t, self.manifest.rank)
        manifest = self.manifest.in_round(self.method, t)
        sizes = zero_update(self.form, self.method, t, begins, manifest.at(largest)).sizes
        weight = examples_of(partition) if self.secure.max_weight > 1 else 1
        arrays = mask_upload(padded(sent, sizes), weight, opened.point, opened.masks)
        client.uploaded(opened)
        return arrays


class Run:
    """A federation over toy clients and what it recorded."""

    def __init__(
        self,
        method: Method | None = None,
        num_clients: int = 4,
        faults=None,
        grid_type=InProcessGrid,
        diagnostics=True,
        state: State | None = None,
        bookkeeping=None,
        private: PrivacyLedger | None = None,
        manifest: Manifest | None = None,
        **policy,
    ) -> None:
        method = method or FLoRG()
        self.manifest = manifest or manifest_of(method)
        self.records: list[RoundRecord] = []
        self.client = ToyClient(
            method,
            self.manifest,
            faults,
            policy.get("upload", "tensors"),
            policy.get("secure_sum"),
            policy.get("wire", AS_IT_IS),
        )
        self.grid = grid_type(self.client, {}, num_clients)
        bases = {g.name: method.fixed(g, self.manifest.rank, self.manifest.seed, frozen) for g in GROUPS}
        self.federation = FederatedAdapters(
            method,
            self.manifest,
            state or initial_state(method, self.manifest),
            IDENTITY,
            Lineage("run", (Attempt("first"),)),
            Policy(**{"min_clients": num_clients, "weighting": method.plan.weighting, **policy}),
            torch.device("cpu"),
            diagnostics=bases if diagnostics else None,
            on_round=self.records.append,
            bookkeeping=bookkeeping,
            private=private,
        )

    def go(self, num_rounds: int = 2) -> "Run":
        self.federation.run(self.grid, range(1, num_rounds + 1), lambda t, state: None)
        return self

    @property
    def state(self) -> State:
        return self.federation.state


def assert_same_bits(one, other):
    one, other = one.flat, other.flat
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def expected_state(method, accepted: dict[int, list[int]], num_rounds: int, weighting=None, ranks=()):
    """The state after folding the accepted partitions of each round by hand."""
    whole = manifest_of(method)
    state, lowered = initial_state(method, whole), {}
    for t in range(1, num_rounds + 1):
        manifest = whole.in_round(method, t)
        start = state_at_start(method, manifest, state, t)
        combination = Combination(method, t, start, "cpu")
        for partition in accepted.get(t, []):
            given = min(rank_of(partition, ranks, lowered, manifest.rank), method.active_rank(t, manifest.rank))
            led = led_state(method, start, given, manifest.rank)
            rank, tensors = served(method, manifest, led, t, partition, given)
            lowered |= {partition: rank} if rank < given else {}
            upload = Upload(partition, rank, tensors, examples_of(partition), {}, Traffic())
            weight = raw_weight(weighting or method.plan.weighting, manifest.plan, upload)
            combination.add(completed(method, tensors, led, manifest.uplink), weight)
        state = combination.finish() if accepted.get(t) else state
    return state
