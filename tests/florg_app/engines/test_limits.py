"""A machine that lacks what a run needs is named in a clear line, with a true exit status and nothing left running."""

import errno
import os
import resource
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from florg_app.engines import launch, preflight, process_family, superlink
from florg_app.engines.superlink import LaunchError
from tests.support.fake_flower import FakeFlower
from tests.support.processes import processes_of
from tests.support.stub_app import ENDLESS, StubApp

PRIVATE_DEV = """
set -e
mount --make-rprivate /
mkdir -p "$NEW_DEV"; mount -t tmpfs none "$NEW_DEV"
for name in null zero full random urandom tty; do
    touch "$NEW_DEV/$name"
    mount --bind "/dev/$name" "$NEW_DEV/$name"
done
ln -s /proc/self/fd "$NEW_DEV/fd"
if [ -n "$SHM" ]; then mkdir "$NEW_DEV/shm"; mount -t tmpfs -o "$SHM" none "$NEW_DEV/shm"; fi
mount --rbind "$NEW_DEV" /dev
exec "$@"
"""
"""A /dev of its own in a mount namespace of its own; nothing outside it is touched."""

READ_ONLY_HOME = """
set -e
mount --make-rprivate /
mount -t tmpfs -o ro none "$HOME"
exec "$@"
"""
"""A home that nobody can write, root neither."""


@pytest.fixture
def flower(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(superlink, "BIN", tmp_path / "bin")
    monkeypatch.setattr(process_family, "END_SECONDS", 0.3)
    monkeypatch.setattr(launch, "POLL_SECONDS", 0.01)
    return FakeFlower(tmp_path / "bin")


def simulate(folder: Path) -> launch.Outcome:
    return launch.simulate(Path("/the/app"), {}, launch.Simulation(3), folder, dict(os.environ), lambda line: None)


def test_a_port_that_somebody_took_meanwhile_is_no_obstacle(flower, tmp_path, monkeypatch):
    """The SuperLink ends at once where it is told a taken port; the next one is free."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        free = superlink._free_ports()
        monkeypatch.setattr(superlink, "_free_ports", lambda: iter([other.getsockname()[1], next(free)]))
        assert simulate(tmp_path / "out").status == "completed"
    assert len(flower.calls()) == 1  # the first one never served


def test_where_every_port_is_taken_it_is_said(flower, tmp_path, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setattr(superlink, "_free_ports", lambda: iter([other.getsockname()[1]] * superlink.PORTS))
        with pytest.raises(LaunchError, match="3 ports were taken by others meanwhile"):
            simulate(tmp_path / "out")


@pytest.mark.usefixtures("flower")
def test_a_process_that_cannot_be_started_is_said_with_what_to_look_at(tmp_path, monkeypatch):
    def full(*_, **__):
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(process_family.subprocess, "Popen", full)
    with pytest.raises(LaunchError, match=r"no process could be started: .*Resource temporarily.*\(ulimit -a"):
        simulate(tmp_path / "out")


@pytest.mark.usefixtures("flower")
def test_missing_shared_memory_is_said_before_anything_is_started(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "SHARED_MEMORY", tmp_path / "nowhere")
    with pytest.raises(LaunchError, match="nowhere is missing, where Ray keeps messages: mount a tmpfs"):
        simulate(tmp_path / "out")


def test_low_limits_are_named_with_what_to_do(monkeypatch):
    limits = {resource.RLIMIT_NPROC: (60, 60), resource.RLIMIT_NOFILE: (64, 64)}
    monkeypatch.setattr(preflight.resource, "getrlimit", limits.__getitem__)
    monkeypatch.setattr(preflight.os, "getuid", lambda: 1000)
    assert [line.split(" (")[1].split(")")[0] for line in preflight.scarce()] == ["ulimit -u", "ulimit -n"]


def test_the_cause_of_a_failed_run_is_the_first_error_of_its_last_traceback(tmp_path):
    log = tmp_path / "flower.log"
    chain = "The above exception was the direct cause of the following exception:\n\n"
    head = "Traceback (most recent call last):\n  File\n    raise\n"
    log.write_text(f"{head}OSError: no room\n\n{chain}{head}RuntimeError: crashed\n")
    assert launch.cause_of(log) == "OSError: no room"
    log.write_text("INFO: nothing\n")
    assert launch.cause_of(log) == ""


@pytest.fixture
def stub(tmp_path):
    return StubApp(tmp_path)


@pytest.fixture
def namespaces():
    if os.getuid() != 0 or shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"]).returncode:
        pytest.skip("no mount namespace can be made here")


@pytest.fixture
def isolated(namespaces, tmp_path):
    """Runs a command with a /dev of its own, whose /dev/shm has these mount options; "" = there is none."""

    def command(shm: str) -> tuple[list[str], dict[str, str]]:
        return ["unshare", "-m", "sh", "-c", PRIVATE_DEV, "sh"], {"NEW_DEV": str(tmp_path / "dev"), "SHM": shm}

    return command


def completes(stub: StubApp, tmp_path: Path, *options: str, **start) -> str:
    process = stub.start(*options, **start)
    output, _ = process.communicate(timeout=290)
    assert process.returncode == 0, output
    assert processes_of(tmp_path) == []
    return output


@pytest.mark.deployment
@pytest.mark.parametrize("shm", ["size=64k", "ro,size=64k"])
def test_little_or_unwritable_shared_memory_is_no_obstacle(shm, stub, isolated, tmp_path):
    before, more = isolated(shm)
    completes(stub, tmp_path, before=before, more=more)


@pytest.mark.deployment
def test_a_simulation_without_shared_memory_ends_with_1_and_a_clear_line(stub, isolated, tmp_path):
    before, more = isolated("")
    process = stub.start(before=before, more=more)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert output.startswith("the run could not be started or followed: /dev/shm is missing"), output
    assert processes_of(tmp_path) == []


@pytest.mark.deployment
@pytest.mark.usefixtures("namespaces")
def test_a_home_with_caches_that_may_only_be_read_is_no_obstacle(stub, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    places = {"HF_HOME": "hf", "XDG_CACHE_HOME": "cache", "XDG_CONFIG_HOME": "config", "FLWR_HOME": "flwr"}
    more = {"HOME": str(home)} | {name: str(home / folder) for name, folder in places.items()}
    completes(stub, tmp_path, before=["unshare", "-m", "sh", "-c", READ_ONLY_HOME, "sh"], more=more)


@pytest.mark.deployment
def test_a_simulation_with_64_open_files_completes(stub, tmp_path):
    completes(stub, tmp_path, before=["prlimit", "--nofile=64:64"])


@pytest.mark.deployment
def test_a_simulation_writes_into_a_folder_whose_name_has_spaces_and_other_letters(stub, tmp_path):
    output = tmp_path / "Ergebnisse für Süd 東京 'x' #1"
    assert completes(stub, tmp_path, output=output).endswith(f"completed: {output}\n")
    assert (output / "summary.json").exists()


@pytest.mark.deployment
def test_a_run_goes_on_where_nobody_reads_its_output_any_more(stub, tmp_path):
    process = stub.start()
    process.stdout.close()
    assert process.wait(290) == 0
    assert (stub.out / "summary.json").exists()
    assert processes_of(tmp_path) == []


@pytest.mark.deployment
def test_a_second_command_is_refused_by_name_and_the_first_one_goes_on(stub, tmp_path):
    first = stub.start(*ENDLESS)
    stub.await_rounds(first)
    second = stub.start()
    output, _ = second.communicate(timeout=120)
    assert second.returncode == 2
    assert "already holds a run" in output or f"(process {first.pid} on {socket.gethostname()})" in output, output
    assert first.poll() is None
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=150)
    assert first.returncode == 130
    assert processes_of(tmp_path) == []
