"""An exported folder as a repository of the hub: what goes there is listed first, and nothing else does."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clients.adapter_folder import ADAPTER_CONFIG
from florg_app.exports.exported_settings import EXPORT_SETTINGS

SENT = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "*.py", "README.md", EXPORT_SETTINGS)
"""Files of an exported folder and of the model beside an adapter; others are not what export wrote, and are refused."""

BESIDE = "base"
"""The folder of the embedded model, beside its adapter."""


@dataclass(frozen=True)
class PushPlan:
    """What would be sent."""

    files: tuple[tuple[str, int], ...]
    """By place in the repository: bytes."""
    notes: tuple[str, ...]
    """What whoever takes the model from there should know, a sentence each."""


def push_plan(folder: Path) -> PushPlan:
    """What of a folder would be sent.

    Raises ValueError where it is none of `florg export`, or holds what export has not written.
    """
    if not (folder / EXPORT_SETTINGS).is_file():
        raise ValueError(
            f"{folder} holds no {EXPORT_SETTINGS}, as a folder of `florg export` or `florg merge` does; export the run "
            "first: what a run keeps besides is not meant for others"
        )
    paths = sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    strange = [str(path.relative_to(folder)) for path in paths if not _is_sent(path, folder)]
    if strange:
        raise ValueError(
            f"{folder} holds what `florg export` has not written: {', '.join(strange[:5])}; move it elsewhere, or "
            "export anew"
        )
    notes = _base_note(folder)
    return PushPlan(tuple((str(path.relative_to(folder)), path.stat().st_size) for path in paths), notes)


def push_folder(
    folder: Path, repository: str, private: bool, say: Callable[[str], None], endpoint: str | None = None
) -> str:
    """Send an exported folder to a repository of the hub, made where it is not there; returns its address.

    Raises ValueError where the folder is none to be sent, nobody is logged in, or the hub refuses.
    """
    from httpx import HTTPError
    from huggingface_hub import HfApi, get_token

    plan = push_plan(folder)
    if not (token := get_token()):
        raise ValueError("nobody is logged in: hf auth login, or set HF_TOKEN to a token of yours that may write")
    api = HfApi(endpoint=endpoint, token=token)
    try:
        made = api.create_repo(repository, private=private, exist_ok=True, repo_type="model")
        say(f"{made.repo_id}: {len(plan.files)} files")
        api.upload_folder(folder_path=folder, repo_id=made.repo_id, commit_message="An export of florg")
    except (HTTPError, ValueError, OSError) as error:
        raise ValueError(f"{repository}: the hub refuses, or cannot be reached: {str(error).strip()}") from error
    return str(made)


def _is_sent(path: Path, folder: Path) -> bool:
    inside = path.relative_to(folder).parts
    place = len(inside) == 1 or (len(inside) == 2 and inside[0] == BESIDE)
    return place and not path.is_symlink() and any(path.match(pattern) for pattern in SENT)


def _base_note(folder: Path) -> tuple[str, ...]:
    """An adapter whose model lies on this machine alone."""
    config = folder / ADAPTER_CONFIG
    if not config.is_file():
        return ()
    base = str(json.loads(config.read_text(encoding="utf-8")).get("base_model_name_or_path"))
    if not Path(base).is_dir():
        return ()
    return (f"the adapter is for {base}, a folder of this machine, which nobody else has; florg merge has all in one",)
