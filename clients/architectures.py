"""What a task may ask to have on top of a backbone, and how transformers and peft call it. Data, no loading."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import transformers
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, PreTrainedConfig

CLASSES = "single_label_classification"
"""transformers' name of the loss over classes of which one is right."""

ArchitectureName = Literal["sequence-classification", "question-answering", "causal-lm", "image-classification"]


@dataclass(frozen=True)
class Architecture:
    """One kind of model."""

    auto_classes: tuple[str, ...]
    """Of transformers, which load it from any family; the first that knows a family counts."""
    preprocessor: str
    """The class of transformers that loads what makes rows into its input."""
    pipeline: str
    """The hub's name of what it does."""
    peft_task: str | None
    """A peft.TaskType; None where peft has none, or none that passes all inputs on."""
    peft_heads: frozenset[str] = frozenset()
    """Modules that peft saves with such a model without being told."""

    def auto_class(self, config: PreTrainedConfig) -> str:
        """The one of `auto_classes` for a checkpoint with this configuration; the first where none knows it."""
        known = (name for name in self.auto_classes if type(config) in getattr(transformers, name)._model_mapping)
        return next(known, self.auto_classes[0])

    def model_class(self, config: PreTrainedConfig) -> Any:
        """The auto class itself."""
        return getattr(transformers, self.auto_class(config))


ARCHITECTURES: Mapping[ArchitectureName, Architecture] = {
    "sequence-classification": Architecture(
        ("AutoModelForSequenceClassification",),
        "AutoTokenizer",
        "text-classification",
        "SEQ_CLS",
        frozenset({"classifier", "score"}),
    ),
    # No task of peft's: its class for this one (0.21) keeps token_type_ids from the model, whose answers then differ.
    "question-answering": Architecture(("AutoModelForQuestionAnswering",), "AutoTokenizer", "question-answering", None),
    # Models with an image half are language models too, where only texts come in.
    "causal-lm": Architecture(
        ("AutoModelForCausalLM", "AutoModelForImageTextToText"), "AutoTokenizer", "text-generation", "CAUSAL_LM"
    ),
    "image-classification": Architecture(
        ("AutoModelForImageClassification",), "AutoImageProcessor", "image-classification", None
    ),
}


@dataclass(frozen=True)
class Head:
    """What a task needs on the backbone."""

    architecture: ArchitectureName
    num_labels: int | None = None
    """Outputs: the classes, 1 for a regression, 2 for a span; None for a language model."""
    problem_type: str | None = None
    """transformers' name of the loss, where the number of labels does not tell it: "regression"."""
    classes: tuple[str, ...] = ()
    """Names of the classes in the order of their numbers; none where the outputs are no classes."""

    @property
    def kind(self) -> Architecture:
        return ARCHITECTURES[self.architecture]

    def options(self, config: PreTrainedConfig) -> dict[str, Any]:
        """Arguments of the auto class's `from_pretrained` for a checkpoint with this configuration."""
        chosen: dict[str, Any] = {"num_labels": self.num_labels, "problem_type": self.problem_type}
        if self.classes:
            assert len(self.classes) == self.num_labels, self
            names = dict(enumerate(self.classes))
            chosen |= {"num_labels": None, "id2label": names, "label2id": {name: n for n, name in names.items()}}
            # Else what reads the exported model would answer as the checkpoint was trained to, each class by itself.
            chosen["problem_type"] = None if config.problem_type is None else CLASSES
        chosen["key_mapping"] = _renamed_backbone(self.kind.model_class(config), config)
        return {name: value for name, value in chosen.items() if value is not None}


def _renamed_backbone(auto_class: Any, config: PreTrainedConfig) -> dict[str, str] | None:
    """How to rename a language model's weights where this class keeps its backbone under another name.

    LlamaForQuestionAnswering (and Mistral's, Qwen's, ...) calls "transformer" what all checkpoints call "model";
    transformers would load not one weight and say so in a warning only.
    """
    classes, published_classes = auto_class._model_mapping, cast(Any, MODEL_FOR_CAUSAL_LM_MAPPING)
    if type(config) not in classes or type(config) not in published_classes:
        return None
    ours, published = (known[type(config)].base_model_prefix for known in (classes, published_classes))
    return None if ours == published else {rf"^{published}\.": f"{ours}."}
