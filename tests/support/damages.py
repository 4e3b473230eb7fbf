"""Ways in which a disk, a person or a killed program leaves the folder of a run, each by its name."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from clients.sealed_tensors import TENSORS_SEAL, TEXTS_SEAL

Damage = Callable[[Path], object]
"""Does it to the folder of a run."""

NEWEST, OLDER = "checkpoint.safetensors", "checkpoint-000002.safetensors"
STORES = ("clients/0.safetensors", "clients/optimizer/1.safetensors")
BINARY = (NEWEST, OLDER, *STORES)
TEXTS = ("history.jsonl", "summary.json", "simulation.json", "run-config.toml")

BITS = 8
"""Flips in each part of a file of tensors."""

HEADER_CHANGES: dict[str, str] = {
    "round": "-5",
    "round ": "1",
    "round  ": "x",
    "run": "",
    "attempts": "[]",
    "attempts ": "[" * 50_000,
    "settings": json.dumps({"strategy.name": "fedit"}),
    "settings ": json.dumps({"seed": [1]}),
    "identity": "[]",
    "bookkeeping": json.dumps({"ranks": {"0": -1}}),
    "bookkeeping ": "null",
    "seconds": "nan",
    "florg.keys": "[]",
    "florg.keys ": "5",
    "florg.format": "florg-checkpoint/9",
    "florg.format ": "florg-checkpoint/1",
}
"""What a header's field is changed to; blanks tell the changes of one field apart."""


def damages() -> dict[str, Damage]:
    """Every one by its name."""
    found: dict[str, Damage] = {}
    for name in BINARY:
        found |= {f"{name}: {how}": _on(name, damage) for how, damage in _whole_file().items()}
        for part in ("length", "header", "tensors"):
            for number in range(BITS):
                found[f"{name}: bit {number} of the {part}"] = _on(name, _flip(part, number))
    for key, value in HEADER_CHANGES.items():
        for sealed in (True, False):
            how = "with the seals that it had" if sealed else "without seals"
            found[f"{NEWEST}: {key} changed, {how}"] = _on(NEWEST, _rewrite(key.strip(), value, sealed))
    for name in TEXTS:
        found |= {f"{name}: {how}": _on(name, damage) for how, damage in _text_file().items()}
    return found | {
        "newest and older checkpoint swapped": _swap(NEWEST, OLDER),
        "the files of two clients swapped": _swap("clients/0.safetensors", "clients/1.safetensors"),
        "a client's tensors and moments swapped": _swap("clients/0.safetensors", "clients/optimizer/0.safetensors"),
        "the clients' folder gone": lambda run: shutil.rmtree(run / "clients"),
        "the clients' folder a file": lambda run: (shutil.rmtree(run / "clients"), (run / "clients").touch()),
        "no newest checkpoint": lambda run: (run / NEWEST).unlink(),
        "no checkpoint at all": lambda run: [path.unlink() for path in run.glob("*.safetensors")],
        "an older checkpoint that is none": lambda run: (run / "checkpoint-000003.safetensors").mkdir(),
        "links and pipes in the place of files being written": lambda run: _in_the_way(run),
        "files of a killed write": lambda run: ([(run / f".{n}.partial").write_bytes(b"x") for n in (NEWEST, "a")]),
        "locks of killed processes": lambda run: (
            [(run / n).write_text("process 1") for n in ("run.lock", "launch.lock")]
        ),
        "a lock that is a folder": lambda run: (run / "run.lock").mkdir(),
    }


def _on(name: str, damage: Damage) -> Damage:
    return lambda run: damage(run / name)


def _whole_file() -> dict[str, Damage]:
    return {
        "empty": lambda file: file.write_bytes(b""),
        "one byte short": lambda file: os.truncate(file, file.stat().st_size - 1),
        "half": lambda file: os.truncate(file, file.stat().st_size // 2),
        "ten bytes": lambda file: os.truncate(file, 10),
        "a byte too long": lambda file: file.write_bytes(file.read_bytes() + b"\0"),
        "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
        "zeros at its end": lambda file: file.write_bytes(file.read_bytes()[:-512] + bytes(512)),
        "text": lambda file: file.write_text("hello " * 100),
        "a huge header": lambda file: file.write_bytes((10**12).to_bytes(8, "little") + b" " * 100),
        "a header that is no UTF-8": lambda file: file.write_bytes((4).to_bytes(8, "little") + b"{\xff\xfe}"),
        "a header nested without end": lambda file: file.write_bytes((9000).to_bytes(8, "little") + b"[" * 9000),
        "another program's": lambda file: _foreign(file),
        "gone": lambda file: file.unlink(),
        "a folder": lambda file: (file.unlink(), file.mkdir()),
        "a link to nowhere": lambda file: (file.unlink(), file.symlink_to("nowhere")),
        "a link to itself": lambda file: (file.unlink(), file.symlink_to(file.name)),
        "a pipe": lambda file: (file.unlink(), os.mkfifo(file)),
        "a link to what it was": lambda file: (
            (
                file.rename(file.with_name("moved")),
                file.symlink_to("moved"),
            )
        ),
        "relabelled": _relabel,
        "numbers that are none": lambda file: _revalue(file, float("nan")),
        "zeros for numbers": lambda file: _revalue(file, 0.0),
    }


def _text_file() -> dict[str, Damage]:
    return {
        "empty": lambda file: file.write_bytes(b""),
        "half": lambda file: os.truncate(file, file.stat().st_size // 2),
        "garbage before": lambda file: file.write_bytes(b"\xff\xfe\x00garbage\n" + file.read_bytes()),
        "garbage within": lambda file: file.write_bytes(_within(file.read_bytes())),
        "zeros behind": lambda file: file.write_bytes(file.read_bytes() + bytes(4096)),
        "UTF-16": lambda file: file.write_text(file.read_text(), "utf-16"),
        "twice": lambda file: file.write_bytes(2 * file.read_bytes()),
        "digits changed": lambda file: file.write_bytes(file.read_bytes().replace(b"2", b"5").replace(b"3", b"7")),
        "nested without end": lambda file: file.write_bytes(b'{"a":' * 50_000),
        "a list": lambda file: file.write_bytes(b"[1, 2]\n"),
        "gone": lambda file: file.unlink(),
        "a folder": lambda file: (file.unlink(), file.mkdir()),
        "a link to nowhere": lambda file: (file.unlink(), file.symlink_to("nowhere")),
        "a pipe": lambda file: (file.unlink(), os.mkfifo(file)),
        "a link to a device without end": lambda file: (file.unlink(), file.symlink_to("/dev/zero")),
    }


def _in_the_way(run: Path) -> None:
    """What somebody left where files are written before they are moved; a link is to the newest checkpoint."""
    for name in ("history.jsonl", "summary.json", NEWEST):
        (run / f".{name}.partial").symlink_to(NEWEST)
    os.mkfifo(run / f".{OLDER}.partial")


def _within(data: bytes) -> bytes:
    middle = data.find(b"\n", len(data) // 2) + 1
    return data[:middle] + b"garbage\n\x85\xe2\x80\xa8\n" + data[middle:]


def _flip(part: str, number: int) -> Damage:
    """One bit of a part of a file, another one for each number."""

    def damage(file: Path) -> None:
        data = bytearray(file.read_bytes())
        header = int.from_bytes(data[:8], "little")
        begin, end = {"length": (0, 8), "header": (8, 8 + header), "tensors": (8 + header, len(data))}[part]
        position = random.Random(f"{file.name} {part} {number}").randrange(8 * begin, 8 * end)
        data[position // 8] ^= 1 << position % 8
        file.write_bytes(data)

    return damage


def _texts(file: Path) -> dict[str, str]:
    with safe_open(file, framework="pt") as opened:
        return dict(opened.metadata() or {})


def _rewrite(key: str, value: str, sealed: bool) -> Damage:
    """A field changed by a program that knows safetensors; without seals it passes for an earlier version's."""

    def damage(file: Path) -> None:
        texts = {**_texts(file), key: value}
        if not sealed:
            texts = {name: text for name, text in texts.items() if name not in (TEXTS_SEAL, TENSORS_SEAL)}
            if key != "florg.format":
                texts["florg.format"] = "florg-checkpoint/1"
        save_file(load_file(file), file, texts)

    return damage


def _relabel(file: Path) -> None:
    """Its float32 called int32: as many bytes."""
    file.write_bytes(file.read_bytes().replace(b'"F32"', b'"I32"'))


def _revalue(file: Path, value: float) -> None:
    tensors, texts = load_file(file), _texts(file)
    save_file({name: tensor.fill_(value) for name, tensor in tensors.items()}, file, texts)


def _foreign(file: Path) -> None:
    import torch

    save_file({"weight": torch.zeros(2, 3)}, file)


def _swap(one: str, other: str) -> Damage:
    def damage(run: Path) -> None:
        (run / one).rename(run / "aside")
        (run / other).rename(run / one)
        (run / "aside").rename(run / other)

    return damage
