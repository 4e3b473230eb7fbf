"""The commands that ask a model what it has learned: `florg predict` and `florg chat`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from florg_app.cli.results import Best, DeviceName, chosen_device, quiet_libraries
from florg_app.terminal import interruptible, refuse

# Other modules of the application are imported where they are used: `florg --help` would wait seconds for torch.

Learned = Annotated[Path, typer.Argument(metavar="RUN|FOLDER", help="Folder of a run, or an exported one.")]
MaxNewTokens = Annotated[
    int | None,
    typer.Option("--max-new-tokens", min=1, help="Longest response.  [default: task.max-new-tokens of the run]"),
]


def check_new_file(output: Path | None) -> None:
    """Refuse a file that is there already, or whose folder is not, before any work is done for it."""
    if output is not None and output.exists():
        refuse(f"--output {output}: it is there already, and nothing in it is changed; choose another")
    if output is not None and not output.absolute().parent.is_dir():
        refuse(f"--output {output}: there is no folder {output.parent}; make it, or choose another")


def predict_command(
    learned: Learned,
    rows: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ROWS]...", help="A file of rows, or texts; without any, lines of the standard input."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row instead of a table.")] = False,
    output: Annotated[Path | None, typer.Option(help="New file of these JSON objects, .jsonl.")] = None,
    max_new_tokens: MaxNewTokens = None,
    device: DeviceName = "auto",
    best: Best = False,
) -> None:
    """Ask a run's model, or an exported one, about rows: class and probability, a number, words of a text, a response.

    Where a row is a pair, its two texts follow each other; lines are texts or JSON objects; of images give the paths.
    Exit status: 0 answered, 2 nothing can be asked.
    """
    quiet_libraries()
    try:
        check_new_file(output)
        from florg_app.commands.asked_rows import asked_rows
        from florg_app.commands.learned_model import answers_to, load_learned

        found = load_learned(learned, chosen_device(device), best)
        columns = found.task.asked_columns
        asked = asked_rows(rows or [], columns, sys.stdin)
        answers = answers_to(found, asked, max_new_tokens)
    except ValueError as error:
        refuse(str(error))
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    lines = [
        json.dumps({**row, **answer}, ensure_ascii=False, default=str)
        for row, answer in zip(asked, answers, strict=True)
    ]
    if output is not None:
        try:
            output.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except OSError as error:
            refuse(f"--output {output} cannot be written: {error.strerror}; choose another")
        print(f"wrote {output}: {len(lines)} rows")
    elif as_json:
        print("\n".join(lines))
    else:
        from rich.console import Console

        from florg_app.commands.answer_table import answer_table

        Console(highlight=False).print(answer_table(asked, answers, columns))


def chat_command(
    learned: Learned, max_new_tokens: MaxNewTokens = None, device: DeviceName = "auto", best: Best = False
) -> None:
    """Talk with a run's language model, or an exported one: a line in, a response out, as it is made.

    /new forgets what was said, /quit or the end of the input ends. Exit status: 0 ended, 2 nobody to talk with.
    """
    quiet_libraries()
    try:
        from florg_app.commands.chat import conversation_with, converse
        from florg_app.commands.learned_model import load_learned

        talk = conversation_with(load_learned(learned, chosen_device(device), best), max_new_tokens)
    except ValueError as error:
        refuse(str(error))
    for note in talk.learned.notes:
        print(f"note: {note}", file=sys.stderr)

    def write(text: str) -> None:
        print(text, end="", flush=True)

    with interruptible("the conversation has ended"):
        converse(talk, sys.stdin, write, "> " if sys.stdin.isatty() else "")
