"""What decides which tokens rows become, as a fingerprint that server and clients compare."""

import hashlib
import json
from datetime import date
from typing import Any

from transformers import PreTrainedTokenizerBase

from florg_app.tasks.base import Preprocessor


def token_fingerprint(preprocessor: Preprocessor, template_date: date) -> str:
    """Of a tokenizer's vocabulary, special tokens and chat template, and of the date that the template is given.

    The same wherever the tokenizer was loaded from and by whatever version; empty of what makes images.
    """
    if not isinstance(preprocessor, PreTrainedTokenizerBase):
        return ""
    special = {name: str(token) for name, token in preprocessor.special_tokens_map.items()}
    parts: list[Any] = [sorted(preprocessor.get_vocab().items()), special, preprocessor.chat_template]
    parts.append(template_date.isoformat() if preprocessor.chat_template else "")
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
