"""The rules of every round, as the settings have them."""

from florg_app.config.protection import weighting_of
from florg_app.config.secure_sum import rules_of
from florg_app.config.server_optimizer import server_optimizer_of
from florg_app.config.settings import Settings
from strategies.protection.robust import Robustness
from strategies.server.round_policy import Policy


def policy_of(settings: Settings) -> Policy:
    """Return the rules of every round as the settings have them."""
    robust, weighting = settings.robust, weighting_of(settings.strategy.weighting, settings.method)
    return Policy(
        fraction_train=settings.fraction_train,
        min_clients=settings.min_clients,
        min_uploads=settings.min_uploads,
        max_skipped=settings.max_skipped,
        round_timeout=settings.round_timeout,
        wait_timeout=settings.wait_timeout,
        weighting=weighting,
        upload=settings.strategy.upload,
        robust=Robustness(robust.norm_bound, robust.combine, robust.trim, robust.max_share),
        evaluate_on_clients=settings.evaluate.on_clients,
        client_ranks=settings.adapter.client_ranks,
        secure_sum=rules_of(settings.privacy, weighting),
        measure_costs=settings.measure.costs,
        server_optimizer=server_optimizer_of(settings.strategy),
    )
