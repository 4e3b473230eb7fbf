"""What leaves a client after its training: tensors or a summand, clipped and noised where asked for, and metrics."""

from flwr.app import RecordDict

from florg_app.config.protection import PrivacySettings
from florg_app.config.settings import Settings
from strategies.exchange.ranks import cut, padded
from strategies.exchange.screening import Metrics
from strategies.exchange.uploads import encode_upload, zero_update
from strategies.exchange.wire import EXAMPLES, PARTITION, RANK, pack, upload
from strategies.manifest import Manifest, state_at_start
from strategies.protection.privacy import Privacy
from strategies.rng import private_generator
from strategies.state import State


def build_reply(
    settings: Settings, manifest: Manifest, t: int, rank: int, received: State, trained: State, metrics: Metrics
) -> RecordDict:
    """Make the reply of a client that received and trained these tensors, padded to the manifest's rank.

    With noise of its own it decides on its rank, and makes its summand, from what it may upload anyway.
    """
    method = settings.method
    begins = state_at_start(method, manifest, received, t)
    if privacy := mechanism_of(settings.privacy):
        own = manifest.at(rank)
        before = zero_update("tensors", method, t, begins, own)
        safe = privacy.on_client(cut(trained, own.uplink), before, private_generator())
        trained = padded(safe, trained.sizes)
    rank = method.pruned_rank(rank, received, trained)
    sent = encode_upload(settings.strategy.upload, method, t, begins, cut(trained, manifest.at(rank).uplink))
    return upload(pack(sent, sent.sizes), t, {**_public(metrics, privacy), RANK: rank})


def mechanism_of(privacy: PrivacySettings) -> Privacy | None:
    """None where there is to be no noise."""
    if not privacy.noise_multiplier:
        return None
    return Privacy(privacy.noise_multiplier, privacy.clip, privacy.delta, privacy.where)


def _public(metrics: Metrics, privacy: Privacy | None) -> Metrics:
    """Under noise of its own a client tells nothing else of its rows: no counts, losses, times or costs."""
    if privacy is None or privacy.where == "server":
        return metrics
    return {PARTITION: metrics[PARTITION], EXAMPLES: 1}
