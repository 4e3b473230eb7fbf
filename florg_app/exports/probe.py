"""What a model answers to a few rows of made-up content, to tell whether another one is the same."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from clients.batches import to_device
from clients.trial import called_with
from florg_app.fitting import specimen_batch
from florg_app.tasks.base import Preprocessor, Task


@torch.inference_mode()
def probe_inputs(task: Task, preprocessor: Preprocessor, model: nn.Module, device: torch.device) -> Mapping[str, Any]:
    """The arguments with which the task calls a model for a batch of made-up rows, the same for every model."""
    batch = to_device(specimen_batch(task, preprocessor), device)
    with called_with(model.eval()) as calls:
        task.loss(model, batch)
    return calls[0]


@torch.inference_mode()
def probe(model: nn.Module, inputs: Mapping[str, Any]) -> Tensor:
    """The numbers that `model` gives for these inputs, on the CPU, one after the other; keys and values left aside."""
    output = model.eval()(**inputs)
    tensors = [value for name, value in output.items() if isinstance(value, Tensor) and name != "past_key_values"]
    assert tensors, f"{type(model).__name__} gives no tensors"
    return torch.cat([tensor.float().cpu().flatten() for tensor in tensors])
