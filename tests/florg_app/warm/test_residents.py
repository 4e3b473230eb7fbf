"""Which process works on which task, and when one of them ends: on stand-ins that only note what they are told."""

import itertools

import pytest

from florg_app.warm import residents
from florg_app.warm.residents import Resident, Residents


class Stand(Resident):
    """One without a process."""

    numbers = itertools.count(100)
    pid, status, unbegun = 0, None, ()

    def __init__(self) -> None:
        self.pid, self.run, self.status = next(self.numbers), None, None
        self.busy, self.idle_since, self.ended = False, 0.0, False
        self.given, self.unbegun = [], []

    def give(self, token: str) -> None:
        self.given.append(token)
        self.unbegun.append(token)
        self.busy = True

    def done(self, at: float) -> None:
        self.unbegun.clear()
        self.busy, self.idle_since = False, at

    def listen(self) -> None:
        pass

    def end(self) -> None:
        self.ended = True


class Scene:
    def __init__(self, monkeypatch, most: int = 1, idle: float = 60.0) -> None:
        self.now, self.started, self.said = 0.0, [], []
        monkeypatch.setattr(residents.time, "monotonic", lambda: self.now)
        self.all = Residents(self.start, most, idle, self.said.append)
        self.all.tend()

    def start(self) -> Stand:
        self.started.append(Stand())
        self.started[-1].idle_since = self.now
        return self.started[-1]


@pytest.fixture
def scene(monkeypatch):
    return Scene(monkeypatch)


def test_the_one_that_waits_takes_the_first_run_and_all_its_tasks(scene):
    for token in ("a", "b", "c"):
        scene.all.give(7, token)
        scene.all.tend()
        scene.started[0].done(scene.now)
    assert [one.given for one in scene.started] == [["a", "b", "c"]]


def test_another_run_begins_where_the_memory_of_the_first_is_given_back(scene):
    scene.all.give(7, "a")
    scene.started[0].done(scene.now)
    scene.all.give(8, "b")
    assert scene.started[0].ended
    assert [one.run for one in scene.started] == [7, 8]
    assert "makes room for run 8" in scene.said[1]


def test_a_process_at_work_is_never_ended_for_another_run(scene):
    scene.all.give(7, "a")
    scene.all.give(8, "b")
    scene.all.tend()
    assert [(one.run, one.ended) for one in scene.started] == [(7, False), (8, False)]


def test_as_many_runs_stay_as_are_allowed_and_the_one_idle_longest_goes(monkeypatch):
    scene = Scene(monkeypatch, most=2)
    for run in (1, 2, 3):
        scene.all.give(run, "task")
        scene.now += 1
        scene.started[-1].done(scene.now)
    assert [(one.run, one.ended) for one in scene.started] == [(1, True), (2, False), (3, False)]


def test_one_that_had_nothing_to_do_for_too_long_gives_its_memory_back_and_another_waits(scene):
    scene.all.give(7, "a")
    scene.now = 1000
    scene.all.tend()
    assert not scene.started[0].ended, "it is at work"
    scene.started[0].done(scene.now)
    scene.now += 59
    scene.all.tend()
    assert not scene.started[0].ended
    scene.now += 2
    scene.all.tend()
    assert scene.started[0].ended
    assert [one.run for one in scene.started] == [7, None]


def test_what_a_dead_process_had_not_begun_goes_to_another(scene):
    scene.all.give(7, "a")
    scene.started[0].done(scene.now)
    scene.all.give(7, "b")
    scene.started[0].status = -9
    scene.all.tend()
    assert scene.started[1].given == ["b"]
    assert scene.started[1].run == 7
    assert "has ended (status -9)" in scene.said[1]


def test_a_dead_process_is_given_nothing(scene):
    scene.started[0].status = 1
    scene.all.give(7, "a")
    assert [one.given for one in scene.started] == [[], ["a"]]


def test_all_are_ended_at_the_end(monkeypatch):
    scene = Scene(monkeypatch, most=3)
    for run in range(3):
        scene.all.give(run, "task")
    scene.all.end()
    assert all(one.ended for one in scene.started)
