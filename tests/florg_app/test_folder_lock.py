"""One writer at a time: the second is told who the first is, and no dead process keeps anybody out."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from florg_app.folder_lock import BusyError, folder_lock

HOLD = """
import sys
from pathlib import Path
from florg_app.folder_lock import folder_lock
with folder_lock(Path(sys.argv[1]), "another run"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLD, tmp_path / "lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_is_refused_with_process_and_machine_of_the_first(tmp_path, holder):
    who = f"another run is at work there \\(process {holder.pid} on {socket.gethostname()}\\)"
    with pytest.raises(BusyError, match=who), folder_lock(tmp_path / "lock", "another run"):
        pass


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
def test_whoever_has_ended_keeps_nobody_out(tmp_path, holder, how):
    holder.send_signal(how) if how else holder.stdin.close()
    holder.wait()
    with folder_lock(tmp_path / "lock", "another run") as problem:
        assert problem == ""
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_a_killed_one_left_is_no_lock(tmp_path):
    (tmp_path / "lock").write_text("process 1 on elsewhere\n")
    with folder_lock(tmp_path / "lock", "a run"):
        assert (tmp_path / "lock").read_text() == f"process {os.getpid()} on {socket.gethostname()}\n"


def test_the_same_process_is_refused_too(tmp_path):
    with (
        folder_lock(tmp_path / "lock", "a run"),
        pytest.raises(BusyError, match=str(os.getpid())),
        folder_lock(tmp_path / "lock", "a run"),
    ):
        pass


def test_of_many_that_come_at_once_one_at_a_time_is_within(tmp_path):
    """The file is removed by each that leaves, while others have it open already."""
    within, most, entered = [], [], []

    def work() -> None:
        for _ in range(100):
            try:
                with folder_lock(tmp_path / "lock", "a run"):
                    within.append(1)
                    most.append(len(within))
                    within.pop()
                    entered.append(1)
            except BusyError:
                continue

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert entered
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_is_said_and_keeps_nobody_from_work(tmp_path, monkeypatch):
    def unknown(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with folder_lock(tmp_path / "lock", "a run") as problem:
        assert "has no locks ([Errno 37] No locks available)" in problem


def test_where_no_file_can_be_made_the_error_is_the_disks(tmp_path):
    with pytest.raises(FileNotFoundError), folder_lock(tmp_path / "nowhere" / "lock", "a run"):
        pass
