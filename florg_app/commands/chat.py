"""A conversation with a causal model, line by line; what it says appears as it is made."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

import torch
from transformers import TextStreamer

from clients.generate import continuations, end_tokens
from florg_app.commands.learned_model import LearnedModel, positions_of
from florg_app.tasks.files.wording import DataError
from florg_app.tasks.instruct.prompts import Turn, prompt_of, prompt_tokens
from florg_app.tasks.instruct.task import Instruct

FORGET, LEAVE = "/new", "/quit"
"""Lines that begin the conversation anew, and that end it."""


class Spoken(TextStreamer):
    """Gives out the words of a response as they become final."""

    def __init__(self, tokenizer: Any, write: Callable[[str], None]) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._write = write

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        self._write(text)


@dataclass
class Conversation:
    """What was said so far, and who answers."""

    learned: LearnedModel
    task: Instruct
    room: int
    """Tokens of a prompt at most: what the model learned with, less where it has fewer positions."""
    turns: list[Turn] = field(default_factory=list)

    def say(self, text: str, write: Callable[[str], None]) -> int:
        """Answer a text, likeliest token by likeliest token, each given to `write` as soon as it is a word.

        Returns how many of the oldest turns no longer fit beside the new one and were forgotten. Raises ValueError
        where the text alone has no room, or cannot be put into the model's template; it is then not said.
        """
        turns, tokens = self._fitting([*self.turns, {"role": "user", "content": text}])
        forgotten = len(self.turns) + 1 - len(turns)
        tokenizer, model = self.learned.preprocessor, self.learned.model
        ends, longest = end_tokens(model, tokenizer.eos_token_id), self.task.max_new_tokens
        speaker = Spoken(tokenizer, write)
        prompts = [torch.tensor(tokens)]
        (said,) = continuations(model, prompts, longest, tokenizer.pad_token_id, ends, speaker)
        answer = tokenizer.decode(said, skip_special_tokens=True).strip()
        self.turns = [*turns, {"role": "assistant", "content": answer}]
        return forgotten

    def _fitting(self, turns: list[Turn]) -> tuple[list[Turn], list[int]]:
        """The newest turns for which there is room, beginning with one of the user, and their tokens."""
        while True:
            prompt = prompt_of(turns, self.learned.preprocessor, self.task.template_date)
            (tokens,) = prompt_tokens([prompt], self.learned.preprocessor)
            if len(tokens) <= self.room:
                return turns, tokens
            if len(turns) == 1:
                raise DataError(f"this is {len(tokens)} tokens, and there is room for {self.room}; say less")
            turns = turns[2:]


def conversation_with(learned: LearnedModel, max_new_tokens: int | None) -> Conversation:
    """Begin a conversation.

    Raises ValueError where the model's task is none of instructions, or the model has no positions for its responses.
    """
    if not isinstance(learned.task, Instruct):
        raise ValueError(
            f'task.name = "{learned.settings.task.name}": its model answers with {learned.task.answers_with}, and '
            "converses with nobody; ask it with `florg predict`"
        )
    task = learned.task.writing(max_new_tokens)
    room, known = learned.settings.task.max_length, positions_of(learned, task)
    if known is not None:
        room = min(room, known - task.max_new_tokens)
    if room < 1:
        raise ValueError(
            f"--max-new-tokens {task.max_new_tokens}: the model has {known} positions for prompt and response "
            "together; lower it"
        )
    return Conversation(learned, task, room)


def converse(talk: Conversation, lines: Iterator[str] | TextIO, write: Callable[[str], None], prompt: str) -> None:
    """Answer line after line until they end; `prompt` is written where a line is waited for, "" where nobody types."""
    write(prompt)
    for line in lines:
        text = line.strip()
        if text == LEAVE:
            return
        if text == FORGET:
            talk.turns = []
        elif text:
            try:
                if forgotten := talk.say(text, write):
                    write(f"\n({forgotten} earlier turns no longer fit and were forgotten)")
                write("\n")
            except ValueError as error:
                write(f"({error})\n")
        write(prompt)
