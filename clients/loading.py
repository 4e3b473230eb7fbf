"""transformers' loading, with every failure in words: which model, what class of problem, and the next move."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers.utils import logging


@dataclass(frozen=True)
class Problem:
    """One class of failure."""

    kinds: tuple[type[BaseException], ...]
    marks: str
    """A pattern that its words must hold; "" = any."""
    says: str
    """What is wrong with the model, and what to do; {error} stands for the words of the exception."""


ANY = (Exception,)

POINTER = b"version https://git-lfs"
"""What a file begins with that Git LFS has put in the place of a large one."""

PROBLEMS: tuple[Problem, ...] = (
    Problem(
        ANY,
        "trust_remote_code",
        "comes with Python code of its own, which nobody has run: set model.trust-remote-code = true to run it on the "
        "server and on every client, if you trust its authors",
    ),
    Problem(
        ANY,
        "Unrecognized configuration class",
        "is of a family that has no class for what the task needs in transformers " + transformers.__version__ + ": "
        "choose a model of another family",
    ),
    Problem(
        ANY,
        "does not recognize this architecture",
        "is of a family that transformers " + transformers.__version__ + " does not know: install a newer transformers "
        "on the server and on every client, or choose another model ({error})",
    ),
    Problem(
        (torch.OutOfMemoryError, MemoryError),
        "",
        "does not fit into memory: take a smaller model, model.dtype = bfloat16, or fewer clients on one machine "
        "({error})",
    ),
    Problem(
        ANY,
        "Couldn't instantiate the backend tokenizer",
        "has no tokenizer that can be read: there is no tokenizer.json, and no file of another kind with the package "
        "that reads it; put the tokenizer.json and tokenizer_config.json of the model beside it, or install "
        "sentencepiece or tiktoken on the server and on every client if it comes as tokenizer.model",
    ),
    Problem(
        (OSError,),
        "no file named model.safetensors",
        "has no weights in safetensors: others (pytorch_model.bin, .gguf, .onnx, .h5) are not read; load it with "
        "transformers where you trust it, and save it with save_pretrained, or use a checkpoint that has them",
    ),
    Problem(
        (OSError,),
        r"gated repo|restricted|[Aa]ccess to model|401|403",
        "is a gated or private model of the hub: ask for access on its page, then log in on the server and on every "
        "client (hf auth login, or HF_TOKEN), or fetch it once and name the folder ({error})",
    ),
    Problem(
        (OSError,),
        r"couldn't connect|offline mode|LocalEntryNotFound|Max retries|timed out",
        "is no folder here, and the hub cannot be reached: check the network and HF_HUB_OFFLINE, or fetch it elsewhere "
        "(hf download NAME --local-dir FOLDER) and name that folder ({error})",
    ),
    Problem(
        (OSError,),
        "No such file or directory",
        "lacks a file ({error}): fetch or save the model again, all of its parts",
    ),
    Problem(
        (ImportError,),
        "",
        "needs a package that is not installed here: {error} - Install it on the server and on every client, or use a "
        "checkpoint of the same model that needs none (weights in safetensors, neither GPTQ nor AWQ)",
    ),
    Problem(
        ANY,
        r"sentencepiece|tiktoken|protobuf",
        "has a tokenizer that needs a package which is not installed here: {error} - Install it on the server and on "
        "every client, or use a checkpoint with a tokenizer.json",
    ),
    Problem(
        (SafetensorError, EOFError, UnicodeDecodeError, json.JSONDecodeError),
        "",
        "has a file that is broken or cut short ({error}): fetch or save the model again",
    ),
    Problem(
        ANY,
        r"not a valid JSON|[Ee]xpecting value|invalid JSON",
        "has a file that is no JSON or cut short ({error}): fetch or save the model again",
    ),
    Problem(
        (RuntimeError,),
        r"size mismatch|shape",
        "has weights of other shapes than its config.json says ({error}): use the files of one and the same model",
    ),
    Problem(
        (OSError, ValueError),
        "",
        "cannot be loaded: {error} - It must be a local folder with config.json and safetensors weights, or a model of "
        "the hub (check the name, the network, HF_HUB_OFFLINE, and HF_TOKEN for gated models)",
    ),
    Problem(
        (NotImplementedError,),
        "",
        "is of a build that transformers " + transformers.__version__ + " cannot handle in this way ({error}): choose "
        "another model",
    ),
    Problem(
        ANY,
        "",
        "has files that transformers " + transformers.__version__ + " does not understand ({error}): they may be "
        "incomplete, or of another version; fetch or save the model again, or choose another",
    ),
)
"""The first one that fits counts."""


def from_pretrained(loader: Any, name_or_path: str, **options: Any) -> Any:
    """What `loader.from_pretrained` gives. Raises ValueError that names model.name whatever went wrong there."""
    logging.disable_progress_bar()  # clients share one log
    try:
        return loader.from_pretrained(name_or_path, **options)
    except Exception as error:
        raise ValueError(in_words(name_or_path, error)) from error


def in_words(name_or_path: str, error: Exception) -> str:
    """The failure of loading this model as a sentence."""
    folder, text = Path(name_or_path).expanduser(), " ".join(str(error).split())
    if pointers := _pointers(folder):
        return (
            f"model.name = {name_or_path!r} has pointers of Git LFS in the place of {', '.join(pointers)}; fetch the "
            "files themselves (git lfs pull in that folder, or hf download)"
        )
    if not folder.is_dir() and (folder.is_absolute() or name_or_path.startswith((".", "~"))):
        return (
            f"model.name = {name_or_path!r} is no folder on this machine: give the folder with config.json and "
            "safetensors weights, which every node needs, or the name of a model of the hub"
        )
    found = next(p for p in PROBLEMS if isinstance(error, p.kinds) and re.search(p.marks, text))
    # A KeyError's words are the key alone, an AssertionError may have none.
    quoted = text if isinstance(error, (OSError, ValueError, ImportError)) else f"{type(error).__name__}: {text}"
    return f"model.name = {name_or_path!r} {found.says.format(error=quoted)}"


def _pointers(folder: Path) -> list[str]:
    """Names of files of a folder that hold no more than where Git LFS has the right ones."""
    if not folder.is_dir():
        return []
    small = [path for path in sorted(folder.iterdir()) if path.is_file() and path.stat().st_size < 1024]
    return [path.name for path in small if path.read_bytes().startswith(POINTER)]
