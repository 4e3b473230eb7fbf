"""What the scenes share: an app whose clients can be made to fail, runs that are followed, and the right result."""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from flwr.app import Context, Message

from florg_app import client_app
from florg_app.engines.bundle import bundle_app
from strategies.exchange.wire import CONFIG, ROUND
from tests.faults.fault import Outcome
from tests.florg_app.test_app import SMALL, history, run, same_bits, state_of
from tests.support import patience
from tests.support.processes import BIN, await_line, end
from tests.support.repository import REPOSITORY
from tests.support.secure_federation import CONNECTION, SecureFederation

TINY = {**SMALL, "task.max-train-rows": 120, "partition.name": "iid", "train.max-steps": 2, "evaluate.every": 0}
"""Settings of a run that is over as soon as its processes are."""

_RAISED = re.compile(r"error 2: <class '.*?'>:<['\"](.*)['\"]>", re.DOTALL)
"""How Flower words what a client raised."""


def faulty_app(folder: Path) -> Path:
    """A copy of the app, beside the folder's processes, whose ClientApp is `faulty_client`."""
    app = folder / "app"
    with bundle_app(REPOSITORY) as files:
        shutil.copytree(files, app)
    (app / "faulty").mkdir()
    (app / "faulty/__init__.py").touch()
    shutil.copy(Path(__file__).with_name("faulty_client.py"), app / "faulty/client.py")
    text = (app / "pyproject.toml").read_text()
    for old, new in (
        ('"florg_app.client_app:app"', '"faulty.client:app"'),
        ("fab-include = [", 'fab-include = [\n    "faulty/*.py",'),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (app / "pyproject.toml").write_text(text)
    return app


class Hold:
    """Holds clients in the middle of the rounds in which their fault is `held`, until the scene lets go of a round."""

    def __init__(self, folder: Path) -> None:
        self._release = folder / "release"
        self._release.mkdir()
        self.config = f'release="{self._release}"'
        """What the configuration of a held SuperNode needs."""

    def let_go(self, t: int) -> None:
        """Of round t, from now on."""
        (self._release / str(t)).touch()

    def take(self, t: int) -> None:
        """Hold round t once more."""
        (self._release / str(t)).unlink(missing_ok=True)


class Run:
    """`florg run` on a federation, going on in the background; its words are in NAME-command.log."""

    def __init__(
        self,
        federation: SecureFederation,
        app: Path,
        name: str,
        settings: Mapping[str, object],
        output: Path | None = None,
    ) -> None:
        """The results are in `output`, by default the folder NAME of the federation's."""
        self.name, self.output, self._folder = name, output or federation.folder / name, federation.folder
        given = {**settings, "output-dir": str(self.output)}
        sets = [f"--set={key}={json.dumps(value)}" for key, value in given.items()]
        command = [BIN / "florg", "run", "--app", str(app), "--connection", CONNECTION, *sets]
        self._process = federation.start(f"{name}-command", [*map(str, command)])

    def wait(self) -> int:
        """The exit status. Raises subprocess.TimeoutExpired."""
        try:
            return self._process.wait(patience.left())
        finally:
            end(self._process)

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def words(self) -> str:
        """All that it said."""
        return (self._folder / f"{self.name}-command.log").read_text()

    def await_round(self, t: int) -> None:
        """Wait until round t is on record. Raises TimeoutError, and RuntimeError where the run ends before."""
        await_line(self.output / "history.jsonl", f'"round": {t},', running=self._process)

    @property
    def records(self) -> list[dict]:
        return history(self.output)

    @property
    def summary(self) -> dict:
        return json.loads((self.output / "summary.json").read_text())

    def rejected(self, t: int, partition: int, reason: str) -> Outcome:
        """Whether the client was left out of round t for a reason that holds these words."""
        found = [r["reason"] for r in self.records[t]["rejected"] if r["partition"] == partition]
        plain = [_RAISED.sub(r"\1", words) for words in found]
        seen = f"left out: {'; '.join(plain)}" if found else "nobody noticed"
        return Outcome(len(found) == 1 and reason in found[0], seen)


def reference(folder: Path, num_clients: int, absent: Iterable[tuple[int, int]] = (), **settings: object) -> Path:
    """The right result: a run in this process in which a client fails in the rounds of `absent`, (round, partition)."""
    missing = set(absent)

    def client(message: Message, context: Context) -> Message:
        config = message.content.config_records.get(CONFIG, {})
        if (config.get(ROUND), context.node_config["partition-id"]) in missing:
            raise RuntimeError("absent")
        return client_app.app(message, context)

    torch.set_num_threads(1)
    return run(folder, num_clients=num_clients, client=client, **settings)


def ended_well(of: Run, right: Path) -> Outcome:
    """Whether the run completes, and with the bits of the right result, all of them finite."""
    status = of.wait()
    if status != 0:
        return Outcome(False, f"ended with status {status}: {of.words[-600:]}")
    finite = all(bool(torch.isfinite(tensor).all()) for tensor in state_of(of.output).values())
    same = same_bits(of.output, right)
    took_part = [len(record["accepted"]) for record in of.records[1:]]
    return Outcome(
        finite and same, f"completed, {'right' if same else 'WRONG'} to the bit; clients by round {took_part}"
    )


def both(*outcomes: Outcome) -> Outcome:
    """As expected if all are."""
    return Outcome(all(o.as_expected for o in outcomes), "; ".join(o.seen for o in outcomes))
