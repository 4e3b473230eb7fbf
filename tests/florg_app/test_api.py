"""The public face for Python programs: a run, its results and its adapter as objects; what cannot be is said."""

import doctest
import json

import pytest
import torch

from florg_app import api

SMALL = {
    "num-server-rounds": 2,
    "task.max-train-rows": 200,
    "task.max-validation-rows": 40,
    "train.max-steps": 2,
    "client.threads": 1,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return api.run(SMALL, clients=2, output=tmp_path_factory.mktemp("api") / "run", quiet=True)


def test_a_run_comes_back_with_its_history_and_summary(finished):
    assert [record["round"] for record in finished.history] == [0, 1, 2]
    assert finished.summary["status"] == "completed"
    assert finished.scores("accuracy").keys() == {0, 1, 2}
    assert api.load_result(finished.folder) == finished


def test_a_score_that_nobody_made_is_named_with_those_that_there_are(finished):
    with pytest.raises(ValueError, match=r"no round of .* has a score named 'bleu'; there are: .*'accuracy', .*'loss'"):
        finished.scores("bleu")


def test_the_adapters_factors_give_what_the_adapted_layers_add(finished):
    adapter = api.load_adapter(finished.folder)
    assert adapter.round == 2
    for name, (B, A) in adapter.factors.items():
        layer = adapter.model.get_submodule(name)
        x = torch.randn(3, A.shape[-1], generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            added = layer(x) - layer.base(x)
        torch.testing.assert_close(added, x @ A.T @ B.T, rtol=1e-4, atol=1e-5)


def test_an_update_that_is_not_low_rank_has_no_factors(tmp_path):
    settings = SMALL | {"strategy.name": "fedavg", "num-server-rounds": 1}
    result = api.run(settings, clients=2, output=tmp_path / "run", quiet=True)
    assert api.load_adapter(result.folder).factors == {}


def test_unusable_settings_are_refused_before_anything_is_written(tmp_path):
    for rank in (0, 1000):  # no rank at all, and one that no layer has
        with pytest.raises(ValueError, match=rf"adapter\.rank = {rank}"):
            api.run({"adapter.rank": rank}, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_that_ends_early_raises_with_the_reason_and_the_folder(tmp_path):
    diverging = {"train.learning-rate": 1e30, "train.head-learning-rate": 1e30}
    with pytest.raises(api.RunFailedError, match=r"the run failed: no upload was ever accepted: .*run"):
        api.run(SMALL | diverging, clients=2, output=tmp_path / "run", quiet=True)


def test_a_folder_without_a_run_is_refused(tmp_path):
    for load in (api.load_result, api.load_adapter):
        with pytest.raises(ValueError, match=str(tmp_path)):
            load(tmp_path)


def test_a_comparison_comes_back_cell_by_cell(tmp_path):
    (tmp_path / "two.toml").write_text(
        'name = "two"\nmethods = ["florg", "fedit"]\nseeds = [1]\nmetric = "accuracy"\nclients = 2\nengine = "inline"\n'
        "[settings]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in SMALL.items())
    )
    comparison = api.compare(tmp_path / "two.toml", output=tmp_path / "out", quiet=True)
    assert [(cell.label, cell.status, len(cell.scores)) for cell in comparison.cells] == [
        ("florg", "finished", 3),
        ("fedit", "finished", 3),
    ]


def test_the_examples_of_the_docstrings_run(tmp_path):
    results = doctest.testmod(api, extraglobs={"folder": tmp_path}, optionflags=doctest.ELLIPSIS)
    assert results.attempted >= 5
    assert results.failed == 0
