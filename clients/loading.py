"""transformers' loading, with every failure in words: which model, what class of problem, and the next move."""

import json
import re
from dataclasses import dataclass
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
        (torch.OutOfMemoryError, MemoryError),
        "",
        "does not fit into memory: take a smaller model, model.dtype = bfloat16, or fewer clients on one machine "
        "({error})",
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
    text = str(error)
    found = next(p for p in PROBLEMS if isinstance(error, p.kinds) and re.search(p.marks, text))
    # A KeyError's words are the key alone, an AssertionError may have none.
    quoted = text if isinstance(error, (OSError, ValueError, ImportError)) else f"{type(error).__name__}: {text}"
    return f"model.name = {name_or_path!r} {found.says.format(error=quoted)}"
