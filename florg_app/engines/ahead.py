"""The look ahead that belongs to a way of running: at all of a run that is simulated here, or at its settings alone."""

from florg_app.config.runconfig import RunConfig
from florg_app.config.settings import Settings
from florg_app.engines import resumed
from florg_app.engines.experiment import Look


def here(clients: int | None, default: int, threads: int, gpus: float) -> Look:
    """Make the look at a simulated run: so many clients, or by default; threads and gpus are of each of them."""

    def look(config: RunConfig, settings: Settings) -> None:
        from florg_app.engines import foresight  # here: it imports transformers, which must find the hub shut or open

        foresight.foresee(settings, resumed.num_clients(config, clients, default), threads, gpus)

    return look


def elsewhere() -> Look:
    """Make the look at a run on other machines, whose paths and devices nobody knows here."""

    def look(config: RunConfig, settings: Settings) -> None:
        from florg_app.engines import foresight

        foresight.foresee_elsewhere(settings)

    return look
