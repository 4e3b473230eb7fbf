"""The command `florg init`: a small project for a user's own rows, which runs as it is written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from florg_app.terminal import refuse

SETTINGS_FILE, ROWS_FOLDER = "experiment.toml", "rows"
"""What is written into the folder: the settings, and the folder of the rows."""


@dataclass(frozen=True)
class ProjectStart:
    """What a project for a task begins with."""

    rows: Mapping[str, str]
    """File in ROWS_FOLDER -> its text: made-up rows that show the form."""
    settings: str
    """Of the task, in TOML."""


def _table(header: str, lines: list[str]) -> str:
    return "\n".join([header, *lines]) + "\n"


def _texts(count: int) -> str:
    told = [
        "the wound has healed,well",
        "the fever is back,ill",
        "no pain since monday,well",
        "worse than yesterday,ill",
    ]
    return _table("text,label", [told[row % 4] for row in range(count)])


def _pairs(count: int) -> str:
    told = ["the leg hurts,there is pain,yes", "the leg hurts,all is well,no"]
    return _table("text1,text2,label", [told[row % 2] for row in range(count)])


def _answers(count: int) -> str:
    pairs = [("What helps against thirst?", "Water."), ("When is it dark?", "At night.")]
    rows = [dict(zip(("instruction", "output"), pairs[row % 2], strict=True)) for row in range(count)]
    return "".join(json.dumps(row) + "\n" for row in rows)


_CLASSES = """\
[model]
name = "tiny"           # embedded, to try this out; for real texts a hub name ("distilbert-base-uncased") or a folder

[task]
name = "{task}"
path = "{folder}"       # train.csv, and validation.csv to score on; also .jsonl, .json, .parquet
max-length = 64         # tokens of a row; longer ones are cut
# labels = "ill,well"   # the class names in their order; without it those of the training file

[train]
learning-rate = 0.005   # for a pretrained model rather 0.0005 to 0.002
epochs = 1              # passes over a client's rows in a round
"""

_LANGUAGE = """\
[model]
name = "HuggingFaceTB/SmolLM2-135M-Instruct"   # a causal language model of the hub, or a folder

[task]
name = "instruct"
path = "{folder}"       # train.jsonl with instruction and output, or chats
max-length = 256        # tokens of a row; longer ones are cut

[train]
learning-rate = 0.0005
epochs = 1              # passes over a client's rows in a round
"""

_COMMON = """\
# Federated fine-tuning on your own rows. Every setting there is: docs/settings.md. What is not here has its default.
num-server-rounds = 5

[strategy]
name = "florg"          # a method of `florg methods`

[adapter]
rank = 4                # the larger, the more is learned and sent

[partition]
name = "iid"            # how simulated clients share out the rows; dirichlet skews their labels
min-size = 4            # no client gets fewer rows

"""

PROJECTS: Mapping[str, ProjectStart] = {
    "text": ProjectStart({"train.csv": _texts(64), "validation.csv": _texts(16)}, _CLASSES),
    "text-pair": ProjectStart({"train.csv": _pairs(64), "validation.csv": _pairs(16)}, _CLASSES),
    "instruct": ProjectStart({"train.jsonl": _answers(64), "validation.jsonl": _answers(16)}, _LANGUAGE),
}
"""By task.name."""

NEXT_COMMANDS = """\
Put your own rows into {rows}, in the form of the made-up ones that are there, and say in
{settings} which model to take. Then:

  florg partition --config {settings} --clients 4 --output {folder}/partition.png
  florg doctor --config {settings}
  florg run --config {settings} --clients 4 --output {folder}/run
  florg export {folder}/run"""


def init_command(
    folder: Annotated[Path, typer.Argument(help="New folder of the project.")],
    task: Annotated[str, typer.Option(help=f"What the rows are: {' | '.join(PROJECTS)}.")] = "text",
) -> None:
    """Write a small project for your own rows: settings with comments, a folder for the rows, the commands to type.

    Exit status: 0 written, 2 the folder is there already or cannot be made.
    """
    if task not in PROJECTS:
        refuse(f"--task {task}: expected {' | '.join(PROJECTS)}; other tasks are in docs/data.md")
    try:
        write_project(folder, task)
    except FileExistsError:
        refuse(f"{folder} is there already, and nothing in it is changed; choose a new folder")
    except OSError as error:
        refuse(f"{folder} cannot be made: {error.strerror}; choose another folder")
    print(NEXT_COMMANDS.format(rows=folder / ROWS_FOLDER, settings=folder / SETTINGS_FILE, folder=folder))


def write_project(folder: Path, task: str) -> None:
    """Write the files of a project. Raises OSError, FileExistsError where the folder is there already."""
    start = PROJECTS[task]
    folder.mkdir(parents=True)
    rows = folder / ROWS_FOLDER
    rows.mkdir()
    for name, text in start.rows.items():
        (rows / name).write_text(text, encoding="utf-8")
    settings = _COMMON + start.settings.format(task=task, folder=rows.absolute())
    (folder / SETTINGS_FILE).write_text(settings, encoding="utf-8")
