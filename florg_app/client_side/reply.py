"""What leaves a client after its training: tensors or a summand, clipped and noised where asked for, and metrics."""

from flwr.app import ArrayRecord, RecordDict

from clients.memory import ClientStore
from florg_app.client_side.secure_sum import OpenedSum
from florg_app.client_side.upload_arrays import upload_arrays
from florg_app.config.protection import PrivacySettings, weighting_of
from florg_app.config.settings import Settings
from strategies.exchange.codecs.table import AS_IT_IS, Wire
from strategies.exchange.coding import RoundingStream
from strategies.exchange.ranks import cut, padded
from strategies.exchange.screening import Metrics
from strategies.exchange.uploads import encode_upload, zero_update
from strategies.exchange.wire import EXAMPLES, PARTITION, RANK, RefusalError, upload
from strategies.manifest import Manifest, state_at_start
from strategies.method import Method
from strategies.protection.privacy import Privacy
from strategies.protection.secure_sum.fixed_point import RangeError
from strategies.protection.secure_sum.upload import mask_upload
from strategies.rng import private_generator
from strategies.state import State


def build_reply(
    settings: Settings,
    method: Method,
    manifest: Manifest,
    t: int,
    rank: int,
    received: State,
    trained: State,
    metrics: Metrics,
    secure: OpenedSum | None = None,
    wire: Wire = AS_IT_IS,
    rests: ClientStore | None = None,
) -> RecordDict:
    """Make the reply of a client that received and trained these tensors, padded to the manifest's rank.

    With noise of its own it decides on its rank, and makes its summand, from what it may upload anyway. `secure` is the
    sum that it takes part in: its summand then travels masked, and as long as one of the largest rank. `method` and
    `manifest` are those of the round, which the settings' method need not be. `wire` and `rests` as in
    `upload_arrays`.
    """
    begins = state_at_start(method, manifest, received, t)
    if privacy := mechanism_of(settings.privacy):
        own = manifest.at(rank)
        before = zero_update("tensors", method, t, begins, own)
        safe = privacy.on_client(cut(trained, own.uplink), before, private_generator())
        trained = padded(safe, trained.sizes)
    rank = method.pruned_rank(rank, received, trained)
    sent = encode_upload(settings.strategy.upload, method, t, begins, cut(trained, manifest.at(rank).uplink))
    if secure is None:
        stream = RoundingStream(manifest.seed, t, int(metrics[PARTITION]))
        arrays, more = upload_arrays(sent, begins, manifest, wire, stream, rests)
        return upload(arrays, t, {**_public({**metrics, **more}, settings.privacy), RANK: rank})
    public = {**_public(metrics, settings.privacy), RANK: rank}
    largest = manifest.at(method.active_rank(t, manifest.rank))
    full = padded(sent, zero_update(settings.strategy.upload, method, t, begins, largest).sizes)
    weighting = weighting_of(settings.strategy.weighting, method)
    return upload(_masked(full, int(metrics[EXAMPLES]) if weighting == "examples" else 1, secure), t, public)


def mechanism_of(privacy: PrivacySettings) -> Privacy | None:
    """None where there is to be no noise."""
    if not privacy.noise_multiplier:
        return None
    return Privacy(privacy.noise_multiplier, privacy.clip, privacy.delta, privacy.where)


def _masked(summand: State, weight: int, secure: OpenedSum) -> ArrayRecord:
    """The arrays of a masked upload. Raises RefusalError where the sum does not hold its numbers."""
    try:
        return mask_upload(summand, weight, secure.point, secure.masks)
    except RangeError as error:
        raise RefusalError(f"the secure sum cannot hold this client's part, which has {error}") from error


def _public(metrics: Metrics, privacy: PrivacySettings) -> Metrics:
    """Under noise of its own or in a secure sum a client tells nothing else: no counts, losses, times or costs."""
    noised = privacy.noise_multiplier and privacy.where == "client"
    return {PARTITION: metrics[PARTITION], EXAMPLES: 1} if noised or privacy.secure_sum else metrics
