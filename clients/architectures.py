"""What a task may ask to have on top of a backbone, and how transformers and peft call it. Data, no loading."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import transformers
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, PreTrainedConfig

ArchitectureName = Literal["sequence-classification", "question-answering", "causal-lm", "image-classification"]


@dataclass(frozen=True)
class Architecture:
    """One kind of model."""

    auto_class: str
    """Of transformers, which loads it from any family."""
    preprocessor: str
    """The class of transformers that loads what makes rows into its input."""
    pipeline: str
    """The hub's name of what it does."""
    peft_task: str | None
    """A peft.TaskType; None where peft has none."""
    peft_heads: frozenset[str] = frozenset()
    """Modules that peft saves with such a model without being told."""

    def model_class(self) -> Any:
        """The auto class itself."""
        return getattr(transformers, self.auto_class)


ARCHITECTURES: Mapping[ArchitectureName, Architecture] = {
    "sequence-classification": Architecture(
        "AutoModelForSequenceClassification",
        "AutoTokenizer",
        "text-classification",
        "SEQ_CLS",
        frozenset({"classifier", "score"}),
    ),
    "question-answering": Architecture(
        "AutoModelForQuestionAnswering",
        "AutoTokenizer",
        "question-answering",
        "QUESTION_ANS",
        frozenset({"qa_outputs"}),
    ),
    "causal-lm": Architecture("AutoModelForCausalLM", "AutoTokenizer", "text-generation", "CAUSAL_LM"),
    "image-classification": Architecture(
        "AutoModelForImageClassification", "AutoImageProcessor", "image-classification", None
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

    @property
    def kind(self) -> Architecture:
        return ARCHITECTURES[self.architecture]

    def options(self, config: PreTrainedConfig) -> dict[str, Any]:
        """Arguments of the auto class's `from_pretrained` for a checkpoint with this configuration."""
        chosen = {"num_labels": self.num_labels, "problem_type": self.problem_type}
        chosen["key_mapping"] = _renamed_backbone(self.kind.model_class(), config)
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
