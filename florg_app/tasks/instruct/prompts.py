"""What a model reads before it answers: the templates, as data, and the filling in of turns."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from florg_app.tasks.files.wording import DataError
from florg_app.tasks.instruct.clock import with_fixed_date
from florg_app.tasks.row_text import REASONING, Prompt, row_tokenizer

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

_STAND_INS = (0xF0000, 0xF4000, 0xF8000, 0x100000)
"""Beginnings of ranges of characters for private use, of which one is in none of the turns of a conversation."""


def request(instruction: str, about: str = "") -> str:
    """The user's turn; the instruction alone where it is about nothing."""
    return WITH_INPUT.format(instruction=instruction, input=about) if about.strip() else instruction


def prompt_of(turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase, date: str) -> Prompt:
    """The prompt by the tokenizer's chat template where it has one, else by PLAIN; control tokens in turns are text.

    date: that of a template which asks for today's. Raises DataError where the template has no place for these turns.
    """
    if tokenizer.chat_template is None:
        return Prompt("".join(PLAIN[turn["role"]].format(content=turn["content"]) for turn in turns) + OPENING, {})
    stand_ins = _stand_ins(turns, row_tokenizer(tokenizer).control)
    text = _templated([_with_stand_ins(turn, stand_ins) for turn in turns], tokenizer, date)
    return Prompt(text, {stand_in: name for name, stand_in in stand_ins.items()})


def prompt_tokens(prompts: Sequence[Prompt], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """The tokens of each prompt."""
    rows = row_tokenizer(tokenizer)
    if tokenizer.chat_template is not None:
        return rows.templated(prompts)
    tokens: list[list[int]] = rows([prompt.text for prompt in prompts])["input_ids"]
    # Tokenizers that put an end behind every text would end the prompt.
    return [ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id else ids for ids in tokens]


def _stand_ins(turns: Sequence[Turn], control: Collection[str]) -> dict[str, str]:
    """A character for each control token that a turn spells; none of them is in any turn."""
    said = "".join(turn["content"] for turn in turns)
    spelt = [name for name in sorted(control) if name in said]
    for first in _STAND_INS if spelt else ():
        signs = [chr(first + number) for number in range(len(spelt))]
        if not any(sign in said for sign in signs):
            return dict(zip(spelt, signs, strict=True))
    if spelt:
        raise DataError("holds control tokens, and all characters that could stand for them")
    return {}


def _with_stand_ins(turn: Turn, stand_ins: Mapping[str, str]) -> Turn:
    """The turn with stand-ins for control tokens; a model's own turn keeps its marks of reasoning."""
    kept = REASONING if turn["role"] == "assistant" else frozenset()
    names = sorted(stand_ins.keys() - kept, key=len, reverse=True)
    if not names:
        return turn
    pattern = "|".join(map(re.escape, names))
    return {**turn, "content": re.sub(pattern, lambda found: stand_ins[found[0]], turn["content"])}


def _templated(turns: Sequence[Turn], tokenizer: Any, date: str) -> str:
    template = with_fixed_date(tokenizer.get_chat_template(), date)
    try:
        return tokenizer.apply_chat_template(
            list(turns), chat_template=template, tokenize=False, add_generation_prompt=True
        )
    except (TemplateError, TypeError, ValueError) as error:
        problem = f"turns of {', '.join(turn['role'] for turn in turns)}, for which the chat template of model.name has"
        remedy = "change them, or use another model"
        raise DataError(f"has {problem} no place ({error}); {remedy}", f"has {problem} no place; {remedy}") from error
