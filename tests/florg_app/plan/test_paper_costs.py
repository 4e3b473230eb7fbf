"""The page on planning has the paper's Table 8 beside what a plan says of the same cell."""

import json

import pytest

from florg_app.config.runconfig import find_app, gather_run_config
from florg_app.plan.run_plan import plan_run
from florg_app.plan.workload import Described
from tests.support.repository import REPOSITORY

ROBERTA_LARGE = {
    "architectures": ["RobertaForMaskedLM"],
    "model_type": "roberta",
    "vocab_size": 50265,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}


def printed() -> dict[str, list[str]]:
    page = (REPOSITORY / "docs" / "plan.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if "e12 |" in line or "e11 |" in line
    ]
    return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize("name", ["florg", "fedex-lora"])
def test_the_page_has_the_figures_of_a_plan(name, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(ROBERTA_LARGE))
    app, settings = find_app(REPOSITORY), [f"model.name={tmp_path}", "task.name=glue/qnli"]
    chosen, _ = gather_run_config(app, [REPOSITORY / "conf" / "paper" / "settings" / "florg.toml"], settings)
    (plan,) = plan_run(chosen, [name], 20, 1, Described(128, 4)).plans
    row = printed()[name]
    assert float(row[1]) == pytest.approx(plan.client_flops, rel=0.005)
    assert float(row[5]) == pytest.approx(plan.server_flops, rel=0.005)
    assert float(row[7].split()[0]) == pytest.approx(plan.client_memory.total / 1e6, rel=0.01)


def test_the_table_has_the_six_methods_of_the_paper():
    assert list(printed()) == ["florg", "fedit", "federa-svd", "ffa-lora", "fedsa-lora", "fedex-lora"]
