"""What can be known of a run before it starts, found out before it starts: devices, rows, model, layers.

Nothing is trained and no weights are loaded: of the model its configuration alone is read, and it is made without
numbers. What is read of the data stays in the caches that the run itself uses.
"""

import os
from pathlib import Path

import torch

from clients.adapter_folder import adapter_beside
from clients.backbone import PREPROCESSORS
from clients.device import check_precision, resolve_device
from clients.quantized import check_quantization
from clients.targets import find_targets, group_layers
from florg_app.config.parse import ConfigError
from florg_app.config.settings import Settings
from florg_app.data.client_rows import ClientRows
from florg_app.pretrained import EMBEDDED, outline_model
from florg_app.reports.trackers.programs import check_trackers
from florg_app.start_adapter import check_start_as, require_start
from florg_app.tasks.base import Task
from florg_app.tasks.registry import check_task, make_task
from strategies.plan_check import check_plan


def foresee(settings: Settings, num_clients: int, threads: int, gpus: float) -> None:
    """Look ahead at a run whose server and clients are all on this machine.

    Args:
        settings: all of them; paths are those of this machine.
        num_clients: simulated.
        threads: CPU cores of each client.
        gpus: share of a GPU of each client.

    Raises:
        ValueError: The run would fail; names key, value, what is allowed and the next move.
    """
    foresee_elsewhere(settings)
    check_machine(settings, num_clients, threads, gpus)
    require_start(settings)
    check_trackers(settings.report.trackers)
    task = make_task(settings)
    _check_model(settings, task)
    _check_rows(settings, task, num_clients)


def foresee_elsewhere(settings: Settings) -> None:
    """Look ahead at a run whose server and clients are on other machines. Raises ValueError."""
    check_plan(settings.method)
    check_task(settings)
    check_start_as(settings)


def check_machine(settings: Settings, num_clients: int, threads: int, gpus: float) -> None:
    """Raise ValueError where this machine has not what the run asks for."""
    server = resolve_device(settings.server.device, "server.device")
    client = resolve_device(settings.client.device, "client.device")
    for device in (server, client):
        check_precision(settings.train.precision, device)
        check_quantization(settings.model.quantization, device)
    count, cores = torch.cuda.device_count() if torch.cuda.is_available() else 0, os.cpu_count() or 1
    if gpus > count:
        raise ConfigError(
            f"--gpus-per-client {gpus:g}: this machine has {count} CUDA device(s) that torch can use; "
            + (f"give at most {count}" if count else "leave it out, and clients train on the CPU")
        )
    if threads > cores:
        raise ConfigError(
            f"--threads-per-client {threads}: this machine has {cores} CPU core(s), so that no client could ever "
            f"start; give at most {cores}"
        )
    if settings.min_clients > num_clients:
        raise ConfigError(
            f"min-clients = {settings.min_clients}: {num_clients} clients are simulated, and the run would wait for "
            f"more until wait-timeout; lower it, or raise --clients"
        )


def _check_rows(settings: Settings, task: Task, num_clients: int) -> None:
    """Raise ConfigError where the rows cannot be read, or not be divided among so many clients."""
    clients = ClientRows(task, settings, settings.partition.holdout)
    for client in range(num_clients):
        clients.own(client, num_clients)
    scored = settings.evaluate.every > 0 and settings.evaluate.rows == "validation"
    if scored or (settings.evaluate.on_clients and settings.evaluate.client_rows == "validation"):
        task.rows("validation")


def _check_model(settings: Settings, task: Task) -> None:
    """Raise ValueError where the model is not to be had, or has no layers for the adapters of these settings."""
    name, trust = settings.model.name, settings.model.trust_remote_code
    if name == EMBEDDED:
        from florg_app.tasks.tiny.embedded import load_embedded_tokenizer

        preprocessor = load_embedded_tokenizer()
    else:
        if Path(name).is_absolute() and not Path(name).is_dir():
            raise ConfigError(
                f'model.name = "{name}": no such folder; give a folder with config.json and safetensors weights, or '
                "the name of a model of the hub"
            )
        adapter_beside(name)
        preprocessor = PREPROCESSORS[task.head.kind.preprocessor](name, trust)
    model = outline_model(settings.model, task.head)
    task.check_preprocessor(preprocessor, settings.task.max_length)
    method = settings.method
    for group in group_layers(find_targets(model, settings.adapter.targets, method.plan.targets)):
        method.check(group, settings.adapter.rank)
