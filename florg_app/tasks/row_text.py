"""Tokenizers for what rows say: no text can spell a control token, which only templates and the tokenizer itself write.

`split_special_tokens` of transformers is not enough: a fast tokenizer still finds added tokens that are not marked as
special (the turns of some chat models are such), and its model may find the name of a control token in its vocabulary
(a Unigram or word model does). So a fast one gets a copy whose control tokens have names that no text has; the numbers
of all tokens stay, and with them what any text without such a name becomes.
"""

import copy
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from secrets import token_hex
from typing import Any
from weakref import WeakKeyDictionary

from jinja2 import TemplateError
from tokenizers import Tokenizer
from transformers import BatchEncoding, PreTrainedTokenizerBase

from florg_app.tasks.files.wording import DataError

REASONING = frozenset({"<think>", "</think>"})
"""Added tokens that models write themselves before they respond; a response may hold those that are not special."""

_PROBES = (("user",), ("system", "user"), ("user", "assistant", "user"), ("system", "user", "assistant", "user"))
"""Who speaks in conversations that show which tokens a chat template writes."""

_made: "WeakKeyDictionary[PreTrainedTokenizerBase, RowTokenizer]" = WeakKeyDictionary()


@dataclass(frozen=True)
class Prompt:
    """A template with texts of rows in it."""

    text: str
    quoted: Mapping[str, str]
    """By its stand-in in the text, one character: a control token that a row spells and that is to be read as text."""


def row_tokenizer(tokenizer: PreTrainedTokenizerBase) -> "RowTokenizer":
    """The tokenizer for what rows say, made once."""
    if tokenizer not in _made:
        _made[tokenizer] = RowTokenizer(tokenizer)
    return _made[tokenizer]


class RowTokenizer:
    """What a tokenizer makes of texts of rows, and of templates around such texts."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        # No reference to the tokenizer itself, whose life would then depend on that of this.
        self._tokenizer: Any = copy.copy(tokenizer)
        self.control = control_tokens(tokenizer)

    def __call__(self, texts: Sequence[str], pairs: Sequence[str] | None = None, **options: Any) -> BatchEncoding:
        """As the tokenizer's own call for batches, but for control tokens in the texts, which are read as text.

        Raises DataError where that is impossible.
        """
        if self._copies is not None:
            return self._copies.strict(list(texts), None if pairs is None else list(pairs), **options)
        for text in (*texts, *(pairs or ())):
            self._as_text(text)
        both = (list(texts),) if pairs is None else (list(texts), list(pairs))
        return self._tokenizer(*both, split_special_tokens=True, **options)

    def response(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens of what a model is to say, without any that begin or end a text; the marks of REASONING are kept."""
        if self._copies is not None:
            return self._copies.reasoning(list(texts), add_special_tokens=False)["input_ids"]
        return [self._as_text(text) for text in texts]

    def templated(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """Tokens of templates with texts of rows in them, without any that begin or end a text."""
        if self._copies is not None:
            return self._copies.strict(list(map(self._copies.text, prompts)), add_special_tokens=False)["input_ids"]
        return [self._in_parts(prompt) for prompt in prompts]

    def _in_parts(self, prompt: Prompt) -> list[int]:
        """What stands between quoted tokens, and these, by a tokenizer that is not a fast one."""
        signs, found = "".join(map(re.escape, prompt.quoted)), []
        for part in re.split(f"([{signs}])", prompt.text) if signs else [prompt.text]:
            if part in prompt.quoted:
                found += self._as_text(prompt.quoted[part])
            elif part:
                found += self._tokenizer(part, add_special_tokens=False)["input_ids"]
        return found

    def _as_text(self, text: str) -> list[int]:
        """Tokens of a text, by a tokenizer that is not a fast one. Raises DataError."""
        ids = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        if spelt := self._numbers.intersection(ids):
            names = ", ".join(sorted(repr(name) for name in self._tokenizer.convert_ids_to_tokens(sorted(spelt))))
            raise DataError(f"spells {names}, control tokens that the tokenizer of model.name cannot read as text")
        return ids

    @cached_property
    def _numbers(self) -> frozenset[int]:
        """Of the control tokens, but for the one that stands for what is unknown."""
        numbers = self._tokenizer.convert_tokens_to_ids(sorted(self.control))
        return frozenset(numbers) - {self._tokenizer.unk_token_id}

    @cached_property
    def _copies(self) -> "_Copies | None":
        """None for a tokenizer that is not a fast one, or has parts that cannot be copied."""
        if not self._tokenizer.is_fast:
            return None
        try:
            whole = json.loads(self._tokenizer.backend_tokenizer.to_str())
        except Exception:  # tokenizers raises no other class for parts that are written in Python
            return None
        return _Copies(self._tokenizer, whole, self.control)


class _Copies:
    """Copies of a fast tokenizer, with the same numbers but other names of control tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, whole: dict[str, Any], control: Collection[str]) -> None:
        names = {name: f"<{token_hex(16)}>" for name in sorted(control)}
        special = set(tokenizer.all_special_tokens)
        spoken = {name: new for name, new in names.items() if name not in REASONING or name in special}
        longest_first = sorted(names, key=len, reverse=True)
        self._names, self._written = names, re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        self.strict = _with_names(tokenizer, whole, names)
        self.reasoning = self.strict if spoken == names else _with_names(tokenizer, whole, spoken)

    def text(self, prompt: Prompt) -> str:
        """The text with the other names for the template's tokens, and the quoted ones as rows spell them."""
        text = self._written.sub(lambda found: self._names[found[0]], prompt.text)
        for stand_in, name in prompt.quoted.items():
            text = text.replace(stand_in, name)
        return text


def control_tokens(tokenizer: PreTrainedTokenizerBase) -> frozenset[str]:
    """The tokens that say what is what: all special ones, and those added ones that the chat template writes.

    Added tokens of white space, or of letters alone, are words in a template.
    """
    added = tokenizer.added_tokens_decoder.values()
    special = {str(token) for token in tokenizer.all_special_tokens} | {t.content for t in added if t.special}
    others = {token.content for token in added if not token.special and _is_mark(token.content)}
    written = _written(tokenizer) if others else ""
    return frozenset(special | {name for name in others if name in written})


def _written(tokenizer: PreTrainedTokenizerBase) -> str:
    """The chat template, and what it makes of a few conversations, since it may put tokens together from parts."""
    template = tokenizer.chat_template
    if template is None:
        return ""
    texts = [template] if isinstance(template, str) else list(template.values())
    for roles in _PROBES:
        try:
            turns = [{"role": role, "content": "-"} for role in roles]
            texts.append(str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)))
        except (TemplateError, TypeError, ValueError):
            continue  # it has no place for these turns
    return "\n".join(texts)


def _is_mark(name: str) -> bool:
    return not (name.isspace() or name.isalnum())


def _with_names(tokenizer: PreTrainedTokenizerBase, whole: Mapping[str, Any], names: Mapping[str, str]) -> Any:
    backend = Tokenizer.from_str(json.dumps(_renamed(whole, names)))
    for name, new in names.items():
        assert backend.token_to_id(new) == tokenizer.convert_tokens_to_ids(name), name
    made: Any = copy.copy(tokenizer)
    made._tokenizer = backend
    return made


def _renamed(whole: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The description of a tokenizer with other names for some tokens, which keep their numbers."""
    model = dict(whole["model"])
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        model["vocab"] = {names.get(name, name): number for name, number in vocabulary.items()}
    else:
        model["vocab"] = [[names.get(name, name), score] for name, score in vocabulary]
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
    if "merges" in model:  # no text becomes a control token by merging
        model["merges"] = [pair for pair in model["merges"] if not _touches(pair, names)]
    added = [{**token, "content": names.get(token["content"], token["content"])} for token in whole["added_tokens"]]
    return {**whole, "model": model, "added_tokens": added}


def _touches(pair: str | Sequence[str], names: Mapping[str, str]) -> bool:
    """Whether a merge makes one of these tokens, or takes one."""
    left, right = pair.split(" ", 1) if isinstance(pair, str) else pair
    return bool({left, right, left + right} & names.keys())
