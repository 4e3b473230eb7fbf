"""A model as everybody loads it, without this project: the call of transformers, and the same call as text."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel

from clients.architectures import Head
from clients.padding import padding_options, padding_token
from clients.quantized import quantization_options
from florg_app.config.settings import ModelSettings


@dataclass(frozen=True)
class PlainModel:
    """What makes a published model ours: its class, classes, padding, precision."""

    head: Head
    config: PreTrainedConfig
    """Of the checkpoint."""
    options: Mapping[str, Any]
    """Arguments of from_pretrained."""

    def load(self, source: str) -> PreTrainedModel:
        return self.head.kind.model_class(self.config).from_pretrained(source, **self.options)

    def call(self, source: str) -> str:
        """`load` as a user writes it."""
        arguments = "".join(f", {name}={literal(value)}" for name, value in self.options.items())
        return f"{self.head.kind.auto_class(self.config)}.from_pretrained({literal(source)}{arguments})"

    @property
    def imports(self) -> str:
        return f"from transformers import {self.head.kind.auto_class(self.config)}, {self.head.kind.preprocessor}"

    def preprocessor(self, source: str) -> str:
        """The line that loads the tokenizer or image processor."""
        kind = self.head.kind.preprocessor
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.removeprefix("Auto")).lower()
        return f"{name} = {kind}.from_pretrained({literal(source)})"


def plain_model(head: Head, config: PreTrainedConfig, model: PreTrainedModel, settings: ModelSettings) -> PlainModel:
    """How to load the like of `model` from the checkpoint of this configuration, quantised as it is.

    A head of other classes is replaced.
    """
    options = {**head.options(config), **padding_options(config, padding_token(model.config))}
    options |= {"dtype": settings.dtype, "ignore_mismatched_sizes": True}
    options |= quantization_options(settings.quantization, head, config, settings.dtype, model.device)
    options |= {"trust_remote_code": True} if settings.trust_remote_code else {}
    return PlainModel(head, config, options)


def literal(value: object) -> str:
    """The value in Python, texts in the quotation marks of our style."""
    return json.dumps(value) if isinstance(value, str) else repr(value)
