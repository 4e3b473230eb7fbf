"""Clients that send what must not be used, that are not what the server takes them for, or that run out of memory."""

import json
from collections.abc import Iterator
from pathlib import Path

from tests.faults.fault import Fault, Outcome, Scene
from tests.faults.stage import REPOSITORY, TINY, Run, both, ended_well, faulty_app, reference
from tests.support.secure_federation import federation_of

LEFT_OUT = "left out with the reason; the round goes on"
REFUSES = "it refuses and says what differs; the round goes on"

PLANS = (
    "",
    "1:nan 2:other-model 3:no-array 4:huge-claim",
    "1:infinity 2:other-code 3:object-array 4:endless",
    "1:shape 2:other-basis 3:no-description 4:no-number",
    "1:earlier-round 2:out-of-memory 3:many-examples 4:shouts",
    "1:huge 2:other-labels 3:no-metrics 4:unknown-metric",
)
NUM_ROUNDS = 4
"""By client."""

REJECTED = (  # fault, round, client, words of the reason
    (Fault(4, "a client sends NaN", LEFT_OUT), 1, 1, "has 1 NaN or infinite numbers"),
    (Fault(4, "a client sends Inf", LEFT_OUT), 1, 2, "has 1 NaN or infinite numbers"),
    (Fault(4, "a client sends another shape", LEFT_OUT), 1, 3, "other model, targets or rank?"),
    (Fault(4, "a client answers another round", LEFT_OUT), 1, 4, "answers round 0, now is round 1"),
    (Fault(4, "a client sends huge numbers", LEFT_OUT), 1, 5, "numbers beyond 1.8e+19"),
    (Fault(4, "a client sends bytes that are no array", LEFT_OUT), 3, 1, "it is no array in NumPy's format 1.0"),
    (Fault(4, "a client sends a pickle in an array", LEFT_OUT), 3, 2, "it is '|O' in C order, expected '<f4'"),
    (Fault(4, "a client's array does not unpack", LEFT_OUT), 3, 3, "its reply cannot be unpacked: TypeError"),
    (
        Fault(4, "a client claims 10^18 examples", LEFT_OUT),
        3,
        4,
        "num-examples = 1000000000000000000, expected a whole",
    ),
    (Fault(4, "a client sends no metrics", LEFT_OUT), 3, 5, "records ['metrics'] are missing"),
    (Fault(4, "a client claims an array of 4 TB", LEFT_OUT), 4, 1, "its header is none that this application writes"),
    (Fault(4, "a client's array unpacks without end", LEFT_OUT), 4, 2, "its arrays have more than the"),
    (Fault(4, "a client's loss is no number", LEFT_OUT), 4, 3, "loss = nan, expected a number"),
    (Fault(4, "a client's error has escape sequences", LEFT_OUT), 4, 4, "[31mthe disk is on fire (/red)"),
    (Fault(4, "a client sends a metric of its own", LEFT_OUT), 4, 5, "metrics not expected: 'own- (/red)'"),
    (Fault(2, "a client runs out of GPU memory", LEFT_OUT), 2, 4, "out of GPU memory: lower train.micro-batch-size"),
    (Fault(6, "a SuperNode with another model", REFUSES), 2, 1, "the frozen weights differ"),
    (Fault(6, "a SuperNode with other code", REFUSES), 2, 2, "the code differs"),
    (Fault(6, "a SuperNode with another basis", REFUSES), 2, 3, "the fixed matrices differ"),
    (Fault(6, "a SuperNode with other labels", REFUSES), 2, 5, "the classes of the task differ"),
)
ALONE = Fault(4, "five clients of six are left out", "the run completes with what the sixth sends")
FEW = Fault(8, "fewer clients than needed", "the run waits, then fails and says how many are missing")


def play(folder: Path) -> Iterator[Outcome]:
    app, num_clients = faulty_app(folder), len(PLANS)
    data = folder / "other-labels"
    data.mkdir()
    rows = [{"text": "a b", "label": label} for label in ("sun", "rain") * 10]
    (data / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    nodes = [f'faults="{plan}"' for plan in PLANS]
    nodes[5] += f' other-rows="{data}"'
    settings = {**TINY, "min-clients": num_clients, "num-server-rounds": NUM_ROUNDS}
    with federation_of(folder, num_clients, *nodes) as federation:
        run = Run(federation, app, "uploads", settings)
        absent = [(t, partition) for t in range(1, NUM_ROUNDS + 1) for partition in range(1, num_clients)]
        right = reference(folder / "right", num_clients, absent, **settings)
        completed = both(ended_well(run, right), plain_words(run))
        for _, t, partition, reason in REJECTED:
            yield run.rejected(t, partition, reason)
        yield completed


def plain_words(run: Run) -> Outcome:
    """Whether no escape sequence and no line separator of a client is in the history or in what the run said."""
    texts = [(run.output / "history.jsonl").read_text(), (run.output / "summary.json").read_text(), run.words]
    found = [sign for sign in ("\x1b[31m", "\u2028", "\x85") if any(sign in text for text in texts)]
    return Outcome(not found, f"signs of clients in history or terminal: {found or 'none'}")


def too_few(folder: Path) -> Iterator[Outcome]:
    with federation_of(folder, 1, "") as federation:
        federation.await_line("superlink", "Activated node_id")
        run = Run(federation, REPOSITORY, "too-few", {**TINY, "min-clients": 2, "wait-timeout": 2.0})
        status, words = run.wait(), run.summary["reason"]
    expected = "1 client(s) online after 2 s, min-clients = 2: start more SuperNodes"
    yield Outcome(status == 1 and expected in words, f"status {status}: {words}")


SCENES = (
    Scene((*(fault for fault, *_ in REJECTED), ALONE), play),
    Scene((FEW,), too_few, quick=True),
)
