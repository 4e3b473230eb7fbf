"""What a model reads before it answers: the templates, as data, and the filling in of turns."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from florg_app.config.parse import ConfigError

Turn: TypeAlias = Mapping[str, str]
"""What one side says: role (a key of PLAIN) and content."""

PLAIN: Mapping[str, str] = {
    "system": "{content}\n\n",
    "user": "### Instruction:\n{content}\n\n",
    "assistant": "### Response:\n{content}\n\n",
}
"""The turns of a prompt by role, for tokenizers without a chat template."""

OPENING = "### Response:\n"
"""What stands before the response that is wanted."""

WITH_INPUT = "{instruction}\n\n{input}"
"""A user's turn of an instruction and what it is about."""


def request(instruction: str, about: str = "") -> str:
    """The user's turn; the instruction alone where it is about nothing."""
    return WITH_INPUT.format(instruction=instruction, input=about) if about.strip() else instruction


def prompt_tokens(prompts: Sequence[Sequence[Turn]], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """The tokens of each prompt: by the tokenizer's chat template where it has one, else by PLAIN.

    Raises ConfigError where the chat template has no place for these turns.
    """
    if not prompts:
        return []
    if tokenizer.chat_template is None:
        texts = ["".join(PLAIN[turn["role"]].format(content=turn["content"]) for turn in turns) for turns in prompts]
        tokens: list[list[int]] = tokenizer([text + OPENING for text in texts])["input_ids"]
        # Tokenizers that put an end behind every text would end the prompt.
        return [ids[:-1] if ids[-1] == tokenizer.eos_token_id else ids for ids in tokens]
    return tokenizer([_templated(turns, tokenizer) for turns in prompts], add_special_tokens=False)["input_ids"]


def _templated(turns: Sequence[Turn], tokenizer: Any) -> str:
    try:
        return tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=True)
    except TemplateError as error:
        roles = ", ".join(turn["role"] for turn in turns)
        raise ConfigError(
            f"model.name: the chat template of its tokenizer has no place for turns of {roles} ({error}); change those "
            f"of the rows, or use another model"
        ) from error
