"""What `florg up` and `florg invite` leave as it is when they are called again, and what they refuse."""

import re
import shlex
import tomllib

import pytest

from tests.support.compose import partition
from tests.support.flower_internals import values_of
from tests.support.made_federation import TWO, florg, made, printed_by
from tests.support.warm_options import warm_options_of


def test_a_second_call_makes_nothing_and_leaves_what_was_changed(tmp_path):
    folder = made(tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    job = folder / "clients/clinic-a/job.sbatch"
    job.write_text("mine\n")
    again = florg("up", tmp_path / "federation.toml")
    assert again.exit_code == 0
    assert not re.search(r"^made ", again.stdout, re.MULTILINE)
    assert "kept  clients/clinic-a/job.sbatch, which is not what the file says now" in again.stdout
    assert {path: path.read_bytes() for path in before} == {**before, job: b"mine\n"}


def test_an_invited_site_gets_its_folder_and_nothing_changes_for_the_others(tmp_path):
    folder = made(tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = florg("invite", "clinic-c", "--data-path", "/srv/c", "--file", tmp_path / "federation.toml")
    assert result.exit_code == 0, result.output
    assert {path: path.read_bytes() for path in before} == before
    words, _ = printed_by(folder / "clients/clinic-c/start.sh", tmp_path)
    assert partition(values_of(warm_options_of(words[2:]).node_config))[0] == 2
    (registered,) = re.findall(r"^  (flwr supernode register .*)$", result.stdout, re.MULTILINE)
    assert (folder / shlex.split(registered)[3]).is_file()
    assert [site["name"] for site in tomllib.loads((tmp_path / "federation.toml").read_text())["site"]] == [
        "clinic-a", "clinic-b", "clinic-c",
    ]  # fmt: skip
    after = florg("up", tmp_path / "federation.toml")
    assert "differs" not in after.stdout
    assert "clients/clinic" not in after.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["clinic-a", "--data-path", "/srv/c"], "there is a site clinic-a already"),
        (["Clinic", "--data-path", "/srv/c"], "lower-case letters, digits, hyphens"),
        (["clinic-c"], "the new site would have a share of the task's rows"),
        (["clinic-c", "--data-path", "rows"], "an absolute one"),
        (["clinic-c", "--data-path", "/srv/c", "--output", "elsewhere"], "holds no authority"),
    ],
)
def test_a_site_that_cannot_be_added_changes_nothing(arguments, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = made(tmp_path)
    result = florg("invite", *arguments)
    assert result.exit_code == 2
    assert problem in " ".join(result.stderr.split())
    assert (tmp_path / "federation.toml").read_text() == TWO
    assert {path.name for path in (folder / "clients").iterdir()} == {"clinic-a", "clinic-b"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("[server]", "[sever]"), "sever: there is no such key"),
        (('names = ["superlink", "10.0.0.7"]', "names = []"), "server.names: expected at least one"),
        (('"10.0.0.7"', '"https://x"'), "expected a host name or an IP address"),
        (("gpu = true", "gpu = 1"), "site[1].gpu = 1: expected true or false"),
        (('name = "clinic-b"', 'name = "clinic_b"'), 'site[2].name = "clinic_b": expected lower-case letters'),
        (('name = "clinic-b"', 'name = "clinic-a"'), "clinic-a stands there twice"),
        (('data-path = "/srv/more rows"\n', ""), "give all sites a data-path, or none"),
        (("/srv/rows", "rows"), 'site[1].data-path = "rows"'),
        (("port = 9095", "port = 90950"), "site[2].port = 90950"),
        (("[server]", "[server"), "is no TOML"),
    ],
)
def test_a_file_that_cannot_be_used_is_answered_by_key_before_anything_is_made(change, problem, tmp_path):
    assert change[0] in TWO
    (tmp_path / "federation.toml").write_text(TWO.replace(*change))
    result = florg("up", tmp_path / "federation.toml")
    assert result.exit_code == 2
    assert problem in " ".join(result.stderr.split())
    assert [path.name for path in tmp_path.iterdir()] == ["federation.toml"]
