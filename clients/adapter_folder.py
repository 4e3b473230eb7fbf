"""What a folder holds of a PEFT adapter, told by its files alone: peft is imported where one is read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from transformers.utils.peft_utils import find_adapter_config_file

from strategies.parametrisation import LayerFactors

ADAPTER_CONFIG, ADAPTER_WEIGHTS, PICKLED, BASE_CONFIG = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "config.json",
)


@dataclass(frozen=True)
class PeftInput:
    """The adapter of a folder on a certain model."""

    factors: LayerFactors
    """B' (o, m), with the scale, and A' (m, i) of each layer by name, float32 on the CPU."""
    whole: Mapping[str, Tensor]
    """Other tensors that the folder holds, of modules kept whole, by name in the model."""
    scales: tuple[tuple[int, float], ...]
    """Rank and alpha / rank of its layers, without repetition."""
    fingerprint: str
    """16 hex digits over all its tensors and scales."""


def adapter_beside(name_or_path: str) -> Path | None:
    """The folder of a model with an adapter beside its weights, as trainers leave it; None for one without.

    Raises ValueError where there is an adapter and no model, or where both are on the hub.
    """
    folder = Path(name_or_path)
    if folder.is_dir():
        if not (folder / ADAPTER_CONFIG).is_file():
            return None
        if (folder / BASE_CONFIG).is_file():
            return folder
        base = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8")).get("base_model_name_or_path")
        raise ValueError(
            f"model.name = {name_or_path!r} is a PEFT adapter, not a model; to go on from it set adapter.start-from to "
            f"that folder, and model.name to the model that it was trained on ({base})"
        )
    try:
        found = find_adapter_config_file(name_or_path)
    except OSError:  # a name that the hub cannot have: the loading of the model says so
        found = None
    if found is None:
        return None
    raise ValueError(
        f"model.name = {name_or_path!r} holds a PEFT adapter; fetch it (hf download {name_or_path} --local-dir "
        "FOLDER), set adapter.start-from to that folder, and model.name to the model that it was trained on"
    )
