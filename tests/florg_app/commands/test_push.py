"""What is pushed is the exported folder and no more, private unless somebody says otherwise, by one's own token."""

import os
import subprocess

import pytest
from typer.testing import CliRunner

from florg_app.cli.main import app
from florg_app.commands.hub_push import push_plan
from florg_app.exports.export import export_run
from tests.support.finished_runs import CPU, finished
from tests.support.hub_stub import hub_stub
from tests.support.processes import BIN, ENVIRONMENT


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A run's folder with its adapter in it."""
    run, _ = finished(tmp_path_factory.mktemp("pushed"))
    export_run(run, None, False, CPU, print)
    return run


def pushed(stub, folder, *options, token="right"):
    """`florg push` in a process of its own, where the hub is the stub."""
    env = {**os.environ, **ENVIRONMENT, "HF_ENDPOINT": stub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    env |= {"HF_HOME": str(folder.parent / "no-token"), "HF_TOKEN": token, "HF_HUB_DISABLE_TELEMETRY": "1"}
    env.pop("HF_TOKEN_PATH", None)
    command = [BIN / "florg", "push", str(folder), "me/ward", *options]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_hub_gets_every_file_of_the_folder_as_it_is_in_a_private_repository(exported):
    with hub_stub() as stub:
        done = pushed(stub, exported / "adapter")
    assert done.returncode == 0, done.stderr + str(stub.requests)
    assert stub.files == contents(exported / "adapter")
    assert stub.problems == []
    (created,) = stub.created
    assert created["name"] == "ward"
    assert created.get("visibility", "private" if created.get("private") else "?") == "private"
    assert done.stdout.rstrip().endswith(f"sent: {stub.url}/me/ward")


def test_public_is_public_and_a_dry_run_lists_the_files_and_asks_nobody(exported):
    with hub_stub() as stub:
        listed = pushed(stub, exported / "adapter", "--dry-run", token="")
        assert listed.returncode == 0, listed.stderr
        assert stub.requests == []
        assert all(name in listed.stdout for name in contents(exported / "adapter"))
        assert "nothing was sent" in listed.stdout
        assert "private where it is new" in listed.stdout
        assert pushed(stub, exported / "adapter", "--public").returncode == 0
    (created,) = stub.created
    assert created.get("visibility", "public" if created.get("private") is False else "?") == "public"


def test_who_is_not_logged_in_or_has_another_token_is_told_so(exported):
    with hub_stub() as stub:
        nobody = pushed(stub, exported / "adapter", token="")
        assert nobody.returncode == 2
        assert "nobody is logged in: hf auth login" in nobody.stderr
        assert stub.requests == []
        wrong = pushed(stub, exported / "adapter", token="wrong")
    assert wrong.returncode == 2
    assert "me/ward: the hub refuses, or cannot be reached" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert stub.files == {}


def test_a_run_s_own_folder_and_foreign_files_are_refused_before_anything_is_sent(exported, tmp_path):
    own = CliRunner().invoke(app, ["push", str(exported), "me/ward"])
    assert (own.exit_code, "holds no florg.toml" in own.stderr) == (2, True)
    (tmp_path / "florg.toml").write_text("")
    (tmp_path / "rows.csv").write_text("private\n")
    strange = CliRunner().invoke(app, ["push", str(tmp_path), "me/ward"])
    assert (strange.exit_code, "has not written: rows.csv" in strange.stderr) == (2, True)
    (tmp_path / "rows.csv").unlink()
    (tmp_path / "config.json").symlink_to("/etc/hostname")
    linked = CliRunner().invoke(app, ["push", str(tmp_path), "me/ward"])
    assert (linked.exit_code, "has not written: config.json" in linked.stderr) == (2, True)


def test_an_adapter_for_a_model_of_this_machine_is_said_to_be_one(exported):
    (note,) = push_plan(exported / "adapter").notes
    assert "a folder of this machine" in note
