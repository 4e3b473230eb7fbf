"""The three parts of docs/tutorial.md run as they stand, in their order, on an account with an empty home."""

import json
import re
import ssl
from contextlib import ExitStack

import pytest

from tests.documents.test_deployment_steps import steps_of
from tests.support.documents import document
from tests.support.processes import await_health, free_port, process
from tests.support.repository import REPOSITORY
from tests.support.shell_steps import Account

PAGE = document("docs/tutorial.md")
FIRST, *PARTS = re.split(r"^## .*$", PAGE.text, flags=re.MULTILINE)


def account_of(folder):
    """An account that has typed what stands above all parts, with the files that they name."""
    account = Account(folder)
    (account.project / "conf").symlink_to(REPOSITORY / "conf")
    (account.project / "runs").mkdir()
    for step in steps_of(FIRST):
        account.run(step)
    return account


def test_there_are_three_parts_with_commands():
    assert len(PARTS) == 3
    assert all(len(steps_of(part)) >= 5 for part in PARTS)


@pytest.mark.slow
def test_two_methods_are_compared(tmp_path):
    account = account_of(tmp_path)
    for step in steps_of(PARTS[0]):
        account.run(step)
    cells = json.loads((account.project / "runs/two/matrix.json").read_text())["cells"]
    assert {(cell["label"], cell["seed"], cell["status"]) for cell in cells} == {
        (label, seed, "finished") for label in ("florg", "fedit") for seed in (1, 2)
    }
    assert (account.project / "runs/two/report.html").exists()
    assert (account.project / "runs/clients.png").exists()
    assert len(list((account.project / "runs/two/cells/all/florg").iterdir())) == 4, "the old cells are still there"


@pytest.mark.slow
def test_a_model_learns_from_ones_own_csv(tmp_path):
    account = account_of(tmp_path)
    said = {step.split()[1]: account.run(step).stdout for step in steps_of(PARTS[1])}
    assert "checked: reloaded" in said["export"]
    assert "checked: reloaded" in said["merge"]
    answers = [json.loads(line) for line in (account.project / "ward/answers.jsonl").read_text().splitlines()]
    assert len(answers) == 16
    assert {answer["class"] for answer in answers} <= {"ill", "well"}
    assert all(0.5 <= answer["probability"] <= 1 for answer in answers)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hospitals_train_together(tmp_path):
    account = account_of(tmp_path)
    ports = {old: str(free_port()) for old in ("8000", "9094", "9095")}
    with ExitStack() as stack:
        for step in steps_of(PARTS[2]):
            for old, new in ports.items():
                step = re.sub(rf"\b{old}\b", new, step)
            if not step.startswith("bash "):
                said = account.run(step).stdout
                if step.startswith("florg run"):
                    assert "round 2/2  clients 2/2" in said
                continue
            words = ["bash", str(account.project / step.split()[1])]
            name = words[1].split("/")[-2]
            running = stack.enter_context(process(name, ["/bin/bash", words[1]], tmp_path, dict(account.environment)))
            if name == "server":
                trust = ssl.create_default_context(cafile=str(account.project / "hospitals/ca/ca.crt"))
                await_health(running, int(ports["8000"]), tls=trust)
        assert re.search(r"the fever is back .*(ill|well)", said)
