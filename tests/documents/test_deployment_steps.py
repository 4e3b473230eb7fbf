"""The commands of docs/deployment.md run as they stand, in their order, on an account with an empty home."""

import re
import signal
import ssl
import subprocess
import tomllib
from contextlib import ExitStack

import pytest

from tests.support import patience
from tests.support.documents import document
from tests.support.processes import await_health, free_port, process
from tests.support.repository import REPOSITORY
from tests.support.shell_steps import Account, shell_steps

PAGE = document("docs/deployment.md")
SERVERS = ("flower-superlink", "florg supernode")
EXAMPLE_RUN = re.compile(r"runs/\d{8}-\d{6}-\w+")


def needs_a_server(step):
    """Whether a step starts one, asks one, or is about the results of a run on one."""
    return step.startswith(SERVERS) or re.search(r" hospitals\b", step) or EXAMPLE_RUN.search(step)


def test_the_steps_that_need_no_server_run_with_an_empty_home(tmp_path):
    account = Account(tmp_path)
    steps = [step for step in steps_of(PAGE.text) if not needs_a_server(step)]
    assert len(steps) >= 8
    for step in steps:
        account.run(step)
    connection = tomllib.loads((tmp_path / "home/.flwr/config.toml").read_text())["superlink"]["hospitals"]
    assert connection["address"] == "localhost:8000"
    files = [word for step in steps_of(PAGE.text) for word in re.findall(r"\bcerts/[\w/.-]+\.\w+", step)]
    assert len(set(files)) >= 8
    assert [file for file in files if not (account.project / file).is_file()] == []


def test_what_a_deployment_leaves_in_the_folder_is_ignored_by_git():
    left = ["certs/ca/ca.key", "certs/clients/clinic-a/client.pub", "keys/ca.key", "state.db", "state.db-wal"]
    left += ["state/clinic-a.safetensors", "data/train.csv"]
    asked = ["git", "check-ignore", "--no-index", *left]
    done = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode == 128:
        pytest.skip(f"this is no clone: {done.stderr.strip()}")
    assert done.stdout.split() == left


class Walk:
    """Whoever follows the page: types a step where it is one, starts a server in a terminal of its own."""

    def __init__(self, account, stack):
        self.account, self._stack = account, stack
        self.ports = {old: str(free_port()) for old in ("8000", "9094", "9095")}
        """By the port of the page."""
        self.running = {}

    def take(self, step):
        """What a step prints that ends by itself."""
        return self.account.run(self._here(step)).stdout

    def take_or_start(self, step):
        self._start(self._here(step)) if step.startswith(SERVERS) else self.take(step)

    def end_clients(self):
        for name in [name for name in self.running if name.startswith("florg-")]:
            node = self.running.pop(name)
            node.send_signal(signal.SIGINT)
            node.wait(patience.left())

    def _here(self, step):
        """A step with ports that are free, and the number of the run."""
        for old, new in self.ports.items():
            step = re.sub(rf"\b{old}\b", new, step)
        return step.replace("RUN_ID", self.account.variables.get("RUN_ID", "RUN_ID"))

    def _start(self, step):
        words = self.account.words(step)
        name = f"{words[0]}-{words[words.index('--port') + 1]}"
        environment = dict(self.account.environment)
        self.running[name] = self._stack.enter_context(process(name, words, self.account.project, environment))
        if words[0] == "flower-superlink":
            await_health(self.running[name], int(self.ports["8000"]), tls=self._trust(), host="localhost")

    def _trust(self):
        return ssl.create_default_context(cafile=str(self.account.project / "certs/ca/ca.crt"))


@pytest.mark.slow
@pytest.mark.deployment
@pytest.mark.timeout(3600)
def test_the_whole_page_works_step_by_step_with_real_servers(tmp_path):
    account = Account(tmp_path)
    trial, own_rows = PAGE.text.split("## A client's own rows")
    with ExitStack() as stack:
        walk = Walk(account, stack)
        for step in steps_of(trial):
            if step.startswith("florg run"):
                account.variables["RUN_ID"] = run_of_two_rounds(walk, step)
            elif step.startswith("flwr log"):
                assert "round 2/2" in walk.take(step.replace(" --stream", ""))
            elif step.startswith(("flwr stop", "scp")):  # it has ended; the server is this machine
                continue
            elif EXAMPLE_RUN.search(step):
                (result,) = (account.project / "runs").glob("*/summary.json")
                walk.take(EXAMPLE_RUN.sub(str(result.parent), step))
            else:
                walk.take_or_start(step)
        assert list(account.project.glob("runs/*/adapter/adapter_model.safetensors"))
        walk.end_clients()
        for step in steps_of(own_rows):
            if step.startswith("florg run"):
                run_of_two_rounds(walk, step)
            else:
                walk.take_or_start(step)
                if step.startswith("florg supernode"):  # the other client does the same
                    walk.take_or_start(of_the_other_client(step))


def of_the_other_client(step):
    for own, other in {
        "clinic-a": "clinic-b",
        "--port 9094": "--port 9095",
        "partition-id=0": "partition-id=1",
    }.items():
        assert own in step
        step = step.replace(own, other)
    return step


def run_of_two_rounds(walk, step):
    """The number of a run that is over after two rounds, in which both clients took part."""
    said = walk.take(f"{step.rstrip()} --set num-server-rounds=2\n")
    assert "round 2/2  clients 2/2" in said
    (number,) = re.findall(r"run (\d+) submitted", said)
    return number


def steps_of(text):
    """The steps of a part of the page."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [step for block in blocks for step in shell_steps(block)]
