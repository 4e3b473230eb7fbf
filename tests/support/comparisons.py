"""Comparisons with known results: folders as `florg compare` leaves them, written without running anything."""

import json
from pathlib import Path

UP = {
    "adapter-numbers": 100,
    "adapter-payload-bytes": 400,
    "head-numbers": 7,
    "head-payload-bytes": 28,
    "wire-bytes": 500,
}
NOTHING = dict.fromkeys(UP, 0)


def times(traffic, factor):
    return {name: factor * value for name, value in traffic.items()}


def history(scores, up=UP, down=None, own=False, metric="accuracy", **changes):
    """One record per score, from round 0; with `own` the clients report each a round later, and round 0 has none.

    A score of None was not measured; `down` is twice `up` unless given. Any further field is in every record.
    """
    down = times(up, 2) if down is None else down
    records = []
    for t in range(len(scores) + own):
        index = t - own
        measured = {metric: scores[index]} if index >= 0 and scores[index] is not None else {}
        records.append(
            {
                "round": t,
                "evaluation": None if own or not measured else measured,
                "own": {"mean": measured, "weighted": {}} if own and measured else {},
                "up": up if t else NOTHING,
                "down": down if t else NOTHING,
                "seconds": {"train": 2.0, "evaluate": 0.5} if t else {"evaluate": 0.5},
                "skipped": "",
                "rejected": [],
                **changes,
            }
        )
    return records


def write_run(folder: Path, records, settings=None):
    folder.mkdir(parents=True)
    (folder / "history.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    summary = {
        "settings": settings or {},
        "versions": {"python": "3.11.7", "torch": "2.13.0"},
        "hardware": {"gpu": "1 x H200"},
    }
    (folder / "summary.json").write_text(json.dumps(summary))


def write_comparison(directory: Path, runs, targets=(0.8,), settings=None, costs=None, **changes):
    """`runs` maps (variant, label, seed) to records, or to a reason why there are none; "" says not run yet.

    `settings` maps labels to settings, `costs` (variant, label) to the record of the costs' round.
    """
    cells = []
    for (variant, label, seed), records in runs.items():
        folder = f"cells/{variant}/{label}/{seed}"
        own = {"seed": seed, "strategy.name": label, **(settings or {}).get(label, {})}
        broken = isinstance(records, str)
        if not broken:
            write_run(directory / folder, records, own)
        status = ("failed" if records else "missing") if broken else "finished"
        cell = {"variant": variant, "label": label, "seed": seed, "folder": folder, "status": status}
        cells.append({**cell, "reason": records if broken else "", "settings": own})
    found = []
    for (variant, label), record in (costs or {}).items():
        folder = f"costs/{variant}/{label}"
        write_run(directory / folder, [record])
        found.append({"variant": variant, "label": label, "folder": folder, "status": "finished"})
    matrix = {
        "name": "known results",
        "metric": "accuracy",
        "targets": list(targets),
        "clients": 3,
        "engine": "inline",
        "variants": [{"name": name, "targets": list(targets)} for name in dict.fromkeys(key[0] for key in runs)],
        "labels": list(dict.fromkeys(key[1] for key in runs)),
        "seeds": list(dict.fromkeys(key[2] for key in runs)),
        "tuned": None,
        "cells": cells,
        "costs": found,
        **changes,
    }
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "matrix.json").write_text(json.dumps(matrix))
    return directory
