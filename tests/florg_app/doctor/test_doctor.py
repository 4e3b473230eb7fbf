"""`florg doctor`: each check tells what it should from stand-ins for the machine's facts."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from florg_app import code_version
from florg_app.cli.main import app
from florg_app.config.parse import parse_settings
from florg_app.doctor import cuda, daemon, data, disk, model
from florg_app.doctor.cuda import Cuda
from florg_app.doctor.daemon import Daemon
from florg_app.doctor.finding import finding_size
from florg_app.doctor.versions import check_versions
from scripts.settings_table import ROOT
from tests.support.local_data import ROWS, write

PROJECT = {"requires-python": ">=3.11,<3.14", "dependencies": ["torch>=2.6", "peft>=0.19", "flwr[simulation]>=1.41,<2"]}


def versions(python="3.12.1", **installed):
    there = {"torch": "2.13.0+cpu", "peft": "0.21.2", "flwr": "1.41.0", **installed}
    return {finding.subject: finding for finding in check_versions(PROJECT, there.get, python)}


def test_versions_within_the_ranges_are_well_and_only_the_main_ones_are_listed():
    found = versions()
    assert list(found) == ["Python", "torch", "flwr", "other packages"]
    assert {finding.level for finding in found.values()} == {"ok"}
    assert found["other packages"].text == "peft"


def test_a_package_out_of_range_or_missing_is_a_problem_with_the_range_and_the_command():
    found = versions(python="3.10.2", torch="2.5.1", peft=None)
    assert [found[name].level for name in ("Python", "torch", "peft", "flwr")] == ["problem"] * 3 + ["ok"]
    assert found["torch"].text == "2.5.1 is installed, >=2.6 is needed"
    assert found["peft"].text == "not installed, >=0.19 is needed"
    assert found["torch"].remedy == "pip install -c constraints.txt 'torch>=2.6'"


@pytest.mark.parametrize(
    ("facts", "level", "words"),
    [
        (Cuda("13.0", True, (("H200", 140_000_000_000),)), "ok", "torch uses H200 (140 GB free)"),
        (Cuda("13.0", False, ()), "ok", "everything runs on the CPU"),
        (Cuda(None, True, ()), "warning", "torch is built without CUDA"),
        (Cuda("13.0", True, ()), "problem", "torch can use no device"),
    ],
)
def test_what_torch_makes_of_the_gpus(facts, level, words):
    finding = cuda.check_cuda(facts)
    assert (finding.level, words in finding.text) == (level, True)
    assert bool(finding.remedy) == (level != "ok")


def test_a_device_that_is_not_there_is_a_problem_by_the_name_of_its_setting():
    finding = cuda.check_devices({"client.device": "cpu", "server.device": "cuda:99"})
    assert finding.level == "problem"
    assert 'server.device = "cuda:99"' in finding.text
    assert cuda.check_devices({"client.device": "cpu"}).level == "ok"


def checked(folder, installs=False):
    (finding,) = daemon.check_daemons([Daemon(42, folder, installs)], ROOT)
    return finding


def test_a_local_superlink_with_other_code_is_named_with_the_command_that_ends_it(tmp_path):
    (tmp_path / "clients").mkdir()
    (tmp_path / "clients/__init__.py").write_text("other = True\n")
    finding = checked(tmp_path)
    assert finding.level == "warning"
    assert f"takes its clients' code from {tmp_path}" in finding.text
    assert "kill 42" in finding.remedy


def test_a_local_superlink_with_this_code_or_none_beside_it_is_well(tmp_path):
    assert checked(ROOT).level == "ok"
    assert checked(tmp_path).level == "ok"
    assert next(daemon.check_daemons([], ROOT)).level == "ok"


def test_a_local_superlink_that_installs_torch_for_each_run_is_a_warning(tmp_path):
    finding = checked(tmp_path, installs=True)
    assert finding.level == "warning"
    assert "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION=1" in finding.remedy


def test_only_the_superlink_that_flwr_run_starts_counts_as_one():
    files = ["--log-file", "/home/x/.flwr/local-superlink/superlink.log"]
    assert daemon.is_local_superlink(["python", "flower-superlink", "--insecure", "--simulation", *files])
    assert not daemon.is_local_superlink(["python", "flower-superlink", "--insecure", "--simulation"])
    assert not daemon.is_local_superlink(["tail", "-f", *files])


def test_the_fingerprint_of_a_folder_is_that_of_its_packages(tmp_path):
    assert code_version.digest_of(ROOT) == code_version.code_fingerprint()
    assert code_version.digest_of(tmp_path) != code_version.code_fingerprint()


@pytest.fixture
def folder(tmp_path):
    """A model of 2 shards with 6 + 20 numbers in bfloat16."""
    path = tmp_path / "model"
    path.mkdir()
    (path / "config.json").write_text("{}")
    save_file({"a": torch.zeros(2, 3, dtype=torch.bfloat16)}, path / "one.safetensors", {"format": "pt"})
    save_file({"b": torch.zeros(4, 5, dtype=torch.bfloat16)}, path / "two.safetensors")
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    return path


def test_the_files_of_a_model_folder_are_found_all_or_none(folder):
    found = model.weight_files(str(folder))
    assert found == [folder / "one.safetensors", folder / "two.safetensors"]
    assert model.check_model_files(str(folder), found, offline=True).level == "ok"
    (folder / "two.safetensors").unlink()
    assert model.weight_files(str(folder)) is None
    assert model.check_model_files(str(folder), None, offline=False).level == "problem"


def test_a_model_of_the_hub_is_looked_up_in_the_cache(folder):
    save_file({"a": torch.zeros(7)}, folder / "model.safetensors")
    found = model.weight_files("org/model", lambda name, file: path if (path := folder / file).exists() else None)
    assert found == [folder / "model.safetensors"]
    assert model.weight_files("org/model", lambda name, file: None) is None
    assert model.check_model_files("org/model", None, offline=False).level == "warning"
    offline = model.check_model_files("org/model", None, offline=True)
    assert (offline.level, offline.remedy.split(",")[0]) == (
        "problem",
        "hf download org/model where there is a network",
    )


def test_memory_is_judged_by_the_parameters_in_the_dtype_of_the_run(folder):
    files = model.weight_files(str(folder))
    assert [model.parameter_count(file) for file in files] == [6, 20]
    free = {"a": 200, "b": 110, "c": 100}
    assert [finding.level for finding in model.check_memory(files, "float32", free)] == ["ok", "warning", "problem"]
    assert [finding.level for finding in model.check_memory(files, "bfloat16", free)] == ["ok"] * 3
    assert (
        model.check_memory(files, "float32", {"c": 100})[0].text
        == "the weights take 104 B as float32; c has 100 B free"
    )


def test_a_file_that_is_no_safetensors_is_a_problem(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"\xff" * 100)
    (finding,) = model.check_memory([tmp_path / "x.safetensors"], "float32", {"memory": 1})
    assert (finding.level, "is no safetensors file" in finding.text) == ("problem", True)


def test_own_data_need_validation_rows_only_to_score_oneself_on_them(tmp_path):
    write(tmp_path / "train.jsonl", ROWS)
    (finding,) = data.check_data(parse_settings({}), tmp_path, None, offline=True)
    assert (finding.level, finding.text) == ("ok", f"4 rows for train from {tmp_path}")
    scores = parse_settings({"evaluate.on-clients": True, "evaluate.client-rows": "validation"})
    first, second = data.check_data(scores, tmp_path, None, offline=True)
    assert (first.level, second.level) == ("ok", "problem")
    assert "no file for validation" in second.text


def test_the_rows_of_a_task_path_are_read_and_those_of_the_hub_are_not(tmp_path):
    write(tmp_path / "train.csv", ROWS)
    found = data.check_data(
        parse_settings({"task.name": "glue/mrpc", "task.path": str(tmp_path)}), None, None, offline=False
    )
    assert [finding.level for finding in found] == ["ok", "problem"]
    assert [
        f.level for f in data.check_data(parse_settings({"task.name": "glue/mrpc"}), None, None, offline=False)
    ] == ["ok"]


def test_room_on_the_disk_is_that_of_the_nearest_folder_that_exists(tmp_path):
    assert disk.check_disk(tmp_path / "new/run", free=3_000_000_000).text == f"3 GB free in {tmp_path}"
    levels = [disk.check_disk(tmp_path, free=free).level for free in (2_000_000_000, 1_999_999_999, 99_999_999)]
    assert levels == ["ok", "warning", "problem"]


def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert disk.check_disk(tmp_path).level == "problem"
    (tmp_path / "file").write_text("")
    assert disk.check_disk(tmp_path / "file/run").level == "problem"


def test_sizes_are_readable():
    assert [finding_size(n) for n in (5, 1500, 2_340_000, 5e12)] == ["5 B", "1.5 kB", "2.34 MB", "5 TB"]


def doctor(*arguments):
    result = CliRunner().invoke(app, ["doctor", "--app", str(ROOT), *map(str, arguments)])
    return result.exit_code, result.output


def test_the_command_has_a_line_for_each_check_and_ends_with_0(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, output = doctor()
    assert code == 0, output
    for subject in (
        "packages",
        "Python",
        "torch",
        "CUDA",
        "local SuperLink",
        "settings",
        "devices",
        "model",
        "data",
        "output",
    ):
        assert f"  {subject}: " in output
    assert "SuperLink: /" not in output


def test_a_problem_ends_with_1_and_comes_with_its_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("FLWR_HOME", str(tmp_path))
    code, output = doctor("--set", "seed=x", "--connection", "hospitals")
    assert code == 1
    assert 'problem  settings: seed = "x"' in output
    assert "         -> add [superlink.hospitals] with address" in output
    assert not list(Path(tmp_path).iterdir())  # looking changes nothing
