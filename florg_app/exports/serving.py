"""Will a server of language models load an exported folder? What vLLM and text-generation-inference ask of one.

vLLM: `vllm/config/lora.py` (the ranks that --max-lora-rank may name) and `vllm/lora/peft_helper.py` (what an adapter
must not have), as of 0.27. text-generation-inference is asked for whole models alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import join
from typing import Any

from safetensors import safe_open

from clients.adapter_folder import ADAPTER_CONFIG

VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Values of --max-lora-rank."""

VLLM_LAYERS = frozenset(
    {"q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "out_proj", "gate_proj", "up_proj", "gate_up_proj",
     "down_proj", "fc1", "fc2", "dense", "dense_h_to_4h", "dense_4h_to_h", "query_key_value"}
)  # fmt: skip
"""Names of layers that language models there take adapters of."""

EMBEDDINGS = ("embed_tokens", "lm_head", "wte", "word_embeddings")

SERVERS = ("vllm", "tgi")
"""Programs that can be asked for."""


@dataclass(frozen=True)
class Serving:
    """What a server makes of a folder."""

    problems: tuple[str, ...]
    """Why it would not load it, a sentence each; empty where nothing is known that speaks against it."""
    command: str
    """What starts it."""


def serving_of(server: str, folder: Path, place: str, architecture: str, base: str, dtype: str) -> Serving:
    """What vllm or tgi makes of a folder of `florg export`.

    Args:
        server: one of SERVERS.
        folder: where the files lie.
        place: the folder's name in the command.
        architecture: of the task's head; servers speak with causal-lm alone.
        base: the model that an adapter is for.
        dtype: of the backbone, in which it was trained and checked.
    """
    problems = []
    if architecture != "causal-lm":
        problems.append(f"it is a model for {architecture}, and this is a server of language models that write")
    problems += _tokens(folder)
    if not (folder / ADAPTER_CONFIG).is_file():
        return Serving(tuple(problems), _whole(server, place, dtype))
    if server == "tgi":
        problems.append("adapters are checked here for vLLM alone; export with --merged")
        return Serving(tuple(problems), _whole(server, place, dtype))
    config = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    with safe_open(folder / "adapter_model.safetensors", "pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    problems += adapter_problems(config, shapes)
    rank = highest_rank(shapes)
    needed = next((allowed for allowed in VLLM_RANKS if allowed >= rank), VLLM_RANKS[-1])
    words = ["vllm", "serve", base, "--dtype", dtype, "--enable-lora", "--max-lora-rank", str(needed)]
    return Serving(tuple(problems), join([*words, "--lora-modules", f"florg={place}"]))


def highest_rank(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """The largest number of rows of a lora_A."""
    return max((shape[0] for name, shape in shapes.items() if name.endswith("lora_A.weight")), default=0)


def adapter_problems(config: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> list[str]:
    """Why vLLM would not load an adapter with this adapter_config.json and these tensors."""
    problems = []
    whole = [name for name in shapes if ".lora_A." not in name and ".lora_B." not in name]
    if config.get("modules_to_save") or whole:
        named = ", ".join(config.get("modules_to_save") or whole[:3])
        problems.append(f"it holds whole modules ({named}), which vLLM takes no adapter with; export with --merged")
    rank = highest_rank({name: tuple(shape) for name, shape in shapes.items()})
    if rank > VLLM_RANKS[-1]:
        problems.append(f"its rank {rank} is above {VLLM_RANKS[-1]}, the largest that vLLM takes; export with --merged")
    if config.get("fan_in_fan_out"):
        problems.append(
            "its layers keep weights as (in, out), as GPT-2's, of which vLLM takes no adapters; use --merged"
        )
    layers = {name.split(".lora_")[0].rpartition(".")[2] for name in shapes if ".lora_" in name}
    if embedded := sorted(layers & {*EMBEDDINGS}):
        problems.append(f"it adapts embeddings ({', '.join(embedded)}), which vLLM does not take; export with --merged")
    elif unknown := sorted(layers - VLLM_LAYERS):
        problems.append(
            f"vLLM may not take adapters of layers named {', '.join(unknown)}; try, or export with --merged"
        )
    if config.get("use_dora"):
        problems.append("it is a DoRA adapter, which vLLM does not take; export with --merged")
    return problems


def _whole(server: str, place: str, dtype: str) -> str:
    if server == "vllm":
        return join(["vllm", "serve", place, "--dtype", dtype])
    return join(["text-generation-launcher", "--model-id", place, "--dtype", dtype])


def _tokens(folder: Path) -> list[str]:
    """Tokens of the tokenizer that the model of the folder has no embedding of."""
    config, tokenizer = folder / "config.json", folder / "tokenizer.json"
    if not config.is_file() or not tokenizer.is_file():
        return []
    rows = json.loads(config.read_text(encoding="utf-8")).get("vocab_size")
    document = json.loads(tokenizer.read_text(encoding="utf-8"))
    highest = max((token["id"] for token in document.get("added_tokens", [])), default=0)
    if rows is None or highest < rows:
        return []
    return [
        f"its tokenizer has token {highest}, and the model embeddings of {rows}; a text with it would end the server"
    ]
