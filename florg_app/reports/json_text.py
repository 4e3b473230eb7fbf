"""Values as strict JSON and back: what any parser accepts and no text within can break."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clients.regular_files import read_regular


def strict(value: Any) -> Any:
    """The value with what JSON cannot say replaced: NaN and infinities by null, keys and paths by strings."""
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [strict(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):  # a NumPy or torch scalar
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_line(value: Any) -> str:
    """The value in ASCII, on one line whatever program splits it: texts may hold U+2028, NEL and the like."""
    return json.dumps(strict(value), allow_nan=False) + "\n"


def json_document(value: Any) -> bytes:
    """The value in UTF-8, indented, for people too; a file name that is no text is written with escapes."""
    text = json.dumps(strict(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace")  # \udc80 of a lone surrogate is JSON's own escape of it


def read_json_object(path: Path) -> dict[str, Any]:
    """The object in a file. Raises OSError, and ValueError, naming the file, where it holds none."""
    try:
        found = json.loads(read_regular(path))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} is damaged: it holds no JSON object")
    return found
