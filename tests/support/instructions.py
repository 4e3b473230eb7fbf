"""A tokenizer of bytes, tiny language models that it fits, and files of instructions."""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from clients.seeding import scoped_seed
from florg_app.config.parse import parse_settings
from florg_app.tasks.instruct.task import Instruct
from florg_app.tasks.registry import make_task
from tests.support.local_data import write
from tests.support.tiny_models import tiny_config

DOLLY = {
    "instruction": ["Name a colour.", "Say hi.", "Add.", "What is it?"],
    "context": ["", " ", "1 and 2", "A dog."],
    "response": ["Red.", "Hi {you}!", "3", "An animal."],
    "category": ["open_qa", "creative_writing", "closed_qa", "closed_qa"],
}
CHAT_TEMPLATE = (
    "{% for turn in messages %}<{{ turn.role }}>{{ turn.content }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def byte_tokenizer(**options: Any) -> PreTrainedTokenizerFast:
    """One token per byte: 0 pads, 1 begins and 2 ends a text."""
    specials = ["<pad>", "<s>", "</s>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({token: number for number, token in enumerate(specials + alphabet)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=core, **{**names, **options})


def language_model(family: str, seed: int = 0, **changes: Any) -> PreTrainedModel:
    config = tiny_config(family)
    config.vocab_size = len(byte_tokenizer())
    for name, value in {"max_position_embeddings": 128, **changes}.items():
        setattr(config, name, value)
    with scoped_seed(seed):
        model = AutoModelForCausalLM.from_config(config).eval()
    # As it is drawn, no state that adapters can reach would make one token much likelier than another.
    model.get_output_embeddings().weight.data.mul_(10)
    return model


def model_folder(folder: Path, family: str) -> Path:
    """A pretrained language model as people have it."""
    language_model(family).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


def instruct_task(folder: Path, name: str = "dolly", **keys: Any) -> Instruct:
    task = make_task(parse_settings({"task.name": name, "task.path": str(folder), **keys}))
    assert isinstance(task, Instruct)
    return task


def dolly(folder: Path, **keys: Any) -> Instruct:
    """The rows of DOLLY, for training and for validation."""
    for split in ("train", "validation"):
        write(folder / f"{split}.jsonl", DOLLY)
    return instruct_task(folder, **keys)
