"""The pretrained model and its tokenizer, embedded or from the hub or a folder."""

from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from clients.backbone import DTYPES, keep_head_in_float32, load_classifier, load_tokenizer, match_padding
from clients.seeding import scoped_seed
from florg_app.settings import ModelSettings
from strategies.rng import stream_seed

EMBEDDED = "tiny"


@dataclass(frozen=True)
class Pretrained:
    """A frozen backbone with a fresh head, and the tokenizer that belongs to it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def load_pretrained(settings: ModelSettings, num_labels: int, seed: int) -> Pretrained:
    """Load `model.name`; the fresh head is the same in every process with this seed. Raises ValueError."""
    head_seed = stream_seed(seed, "head")
    if settings.name == EMBEDDED:
        return _embedded(settings.dtype, num_labels, head_seed)
    tokenizer = load_tokenizer(settings.name)
    model = load_classifier(settings.name, num_labels, settings.dtype, head_seed)
    match_padding(model, tokenizer)
    return Pretrained(model, tokenizer)


def _embedded(dtype: str, num_labels: int, head_seed: int) -> Pretrained:
    from florg_app.tasks.tiny import embedded

    with scoped_seed(head_seed):
        model = embedded.load_model(num_labels).to(DTYPES[dtype])  # pyright: ignore[reportArgumentType]  # transformers' wrapper
    keep_head_in_float32(model)
    return Pretrained(model.eval(), embedded.load_tokenizer())
