"""Is the model on this machine, and does it fit into memory? Its weights are not loaded for that."""

import json
import os
from collections.abc import Sequence
from math import prod
from pathlib import Path

from florg_app.doctor.finding import Finding, finding_size
from florg_app.pretrained import EMBEDDED

INDEX, WEIGHTS, MODEL_CONFIG = "model.safetensors.index.json", "model.safetensors", "config.json"
BYTES_PER_NUMBER = {"float32": 4, "bfloat16": 2, "float16": 2, "8bit": 1, "4bit": 0.5}
"""Of a number, by `model.dtype` or `model.quantization`."""
COMFORT = 0.7
"""Share of the free memory that the frozen weights may take; activations and the rest of the run need some too."""


def find_in_cache(name: str, file: str) -> Path | None:
    """A file of a hub model in the local cache."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, file)
    return Path(found) if isinstance(found, str | os.PathLike) else None


def weight_files(name: str, find=find_in_cache) -> list[Path] | None:
    """The safetensors files of a model folder or of a hub model in the cache; None where they are not all there."""

    def locate(file: str) -> Path | None:
        return path if (path := Path(name) / file).is_file() else None if Path(name).is_dir() else find(name, file)

    if locate(MODEL_CONFIG) is None:
        return None
    if single := locate(WEIGHTS):
        return [single]
    if not (index := locate(INDEX)):
        return None
    shards = {locate(file) for file in set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())}
    return None if None in shards else sorted(shard for shard in shards if shard)


def check_model_files(name: str, files: Sequence[Path] | None, offline: bool) -> Finding:
    """Whether `model.name` can be had here."""
    if name == EMBEDDED:
        return Finding("ok", "model", "the embedded one")
    if files is not None:
        return Finding("ok", "model", f"{name} is here, {finding_size(sum(file.stat().st_size for file in files))}")
    if Path(name).is_dir():
        text = f"the folder {name} lacks {MODEL_CONFIG} or safetensors weights"
        return Finding("problem", "model", text, "save the model there with save_pretrained(folder)")
    if offline:
        remedy = f"hf download {name} where there is a network, or unset HF_HUB_OFFLINE"
        return Finding("problem", "model", f"{name} is not in the cache, and HF_HUB_OFFLINE keeps the hub out", remedy)
    remedy = f"fetch it once, before several clients do at the same time: hf download {name}"
    return Finding("warning", "model", f"{name} is not in the cache; the run will fetch it from the hub", remedy)


def parameter_count(file: Path) -> int:
    """Numbers in a safetensors file, read from its header alone. Raises ValueError where it is none."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if not 2 <= length <= file.stat().st_size - 8:
            raise ValueError(f"{file} is no safetensors file")
        header = json.loads(opened.read(length))
    return sum(prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def check_quantized_model(quantization: str, missing: Sequence[str], has_cuda: bool) -> Finding:
    """Whether a quantised backbone can be had here."""
    if missing:
        text = f"{quantization} needs {' and '.join(missing)}, not installed here"
        return Finding("problem", "quantization", text, "pip install '.[quantized]', or set model.quantization to none")
    if not has_cuda:
        text = f"{quantization} needs a CUDA device, and torch sees none here"
        return Finding("problem", "quantization", text, "run it where a GPU is, or set model.quantization to none")
    return Finding("ok", "quantization", quantization)


def check_memory(files: Sequence[Path], dtype: str, free: dict[str, int]) -> list[Finding]:
    """Whether the weights in `dtype`, a key of BYTES, fit into the free bytes of each place (memory, cuda:0)."""
    try:
        needed = int(sum(map(parameter_count, files)) * BYTES_PER_NUMBER[dtype])
    except ValueError as error:
        return [Finding("problem", "memory", str(error), "fetch the model again")]
    return [_fit(needed, dtype, place, available) for place, available in free.items()]


def _fit(needed: int, dtype: str, place: str, available: int) -> Finding:
    text = f"the weights take {finding_size(needed)} as {dtype}; {place} has {finding_size(available)} free"
    if needed <= COMFORT * available:
        return Finding("ok", "memory", text)
    level = "warning" if needed <= available else "problem"
    return Finding(
        level, "memory", text, "set model.dtype to bfloat16, take a smaller model, or run fewer clients here"
    )
