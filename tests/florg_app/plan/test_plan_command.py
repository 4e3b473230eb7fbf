"""`florg plan` says what a run would cost from a configuration alone, and refuses what the run would refuse."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from florg_app.cli.main import app
from florg_app.plan.client_costs import fitted_flops, telling_sizes
from strategies import METHODS

TOLD = ("--tokens", "20", "--examples", "30")

LARGE = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 128256,
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 28,
    "num_attention_heads": 24,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
"""Of a language model of 3.2 billion numbers."""


def called(*arguments: str):
    return CliRunner().invoke(app, ["plan", *arguments])


def refused(*arguments: str) -> str:
    result = called(*arguments)
    assert result.exit_code == 2, result.output
    return result.output


def test_the_table_has_a_line_for_every_method_and_the_picture_is_one(tmp_path):
    result = called(*TOLD, "--clients", "3", "--rounds", "2", "--output", str(tmp_path / "plan.png"))
    assert result.exit_code == 0, result.output
    first = [line.replace("│", " ").split()[:1] for line in result.output.splitlines()]
    assert all([name] in first for name in METHODS)
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")


def test_json_has_the_figures_of_the_methods_that_are_named():
    result = called(*TOLD, "--json", "--methods", "florg,fedit", "--rounds", "3", "--set", "adapter.rank=2")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    florg, fedit = found["methods"]
    assert (found["rank"], found["rounds"], florg["method"], fedit["method"]) == (2, 3, "florg", "fedit")
    adapters = [one["trained-numbers"] - one["head-numbers"] for one in found["methods"]]
    assert adapters[1] == 2 * adapters[0]  # square layers: r k against 2 r k
    assert florg["run"]["up"]["adapter-numbers"] == 3 * 8 * adapters[0]


def test_a_model_of_billions_is_planned_from_its_configuration_in_little_memory(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LARGE))
    words = ["plan", "--json", "--set", f"model.name={tmp_path}", "--set", "model.dtype=bfloat16"]
    words += ["--set", "task.name=medquad", "--methods", "florg,fedit,fedftg", "--tokens", "64", "--examples", "32"]
    code = (
        "import resource, sys\n"
        "from florg_app.cli.main import app\n"
        f"app({words!r}, standalone_mode=False)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=600)
    assert done.stdout, done.stderr
    florg, fedit, fedftg = json.loads(done.stdout)["methods"]
    assert florg["trained-numbers"] == 28 * 4 * (3072 + 1024)
    assert fedit["trained-numbers"] == 28 * 4 * (2 * 3072 + 3072 + 1024)
    assert fedftg["trained-numbers"] == 28 * 3072 * 8192
    weights = florg["client-memory-bytes"]["model"]
    assert 2 * 3.2e9 < weights < 2 * 3.3e9
    peak = int(done.stderr.splitlines()[-1]) * 1024
    assert peak < weights / 4


def test_what_a_run_would_refuse_is_refused():
    assert "--methods florgs: no such method; choose of florg, " in refused(*TOLD, "--methods", "florgs")
    assert "adapter.rank = 300 exceeds" in refused(*TOLD, "--set", "adapter.rank=300")
    assert "no_such_layer" in refused(*TOLD, "--set", "adapter.targets=no_such_layer")
    assert "no such setting" in refused(*TOLD, "--set", "adapter.rnk=3")
    assert "is no folder on this machine" in refused(*TOLD, "--set", "model.name=/no/such/folder")
    assert "privacy.secure-sum = true" in refused(*TOLD, "--set", "privacy.secure-sum=true")
    assert "--tokens" in refused("--examples", "20")


def test_a_method_that_does_not_suit_is_said_and_no_reason_to_stop_unless_it_is_named():
    ranks = ("--set", "adapter.client-ranks=4,2", "--set", "strategy.name=flexlora")
    result = called(*TOLD, *ranks)
    assert result.exit_code == 0, result.output
    assert "fedit does not suit: adapter.client-ranks" in result.output
    assert "adapter.client-ranks" in refused(*TOLD, *ranks, "--methods", "flexlora,fedit")


@pytest.mark.parametrize("sizes", [[(4, 7)], [(4, 7), (2, 7)], [(b, n) for b in (3, 16) for n in range(5, 60, 6)]])
def test_costs_of_a_few_sizes_tell_those_of_all(sizes):
    exact = {(b, n): 11 + b * (13 + 5 * n + 3 * n * n) for b, n in sizes}
    chosen = telling_sizes(sizes)
    assert len(chosen) <= 4
    found = fitted_flops({size: exact[size] for size in chosen}, sizes)
    assert found == pytest.approx(exact, rel=1e-6)
