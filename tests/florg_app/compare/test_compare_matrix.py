"""A matrix is read whole, crossed in order, and refused with all that is wrong before anything runs."""

import tomllib

import pytest

from florg_app.compare.matrix import cells, reading
from florg_app.compare.matrix.matrix import MatrixError
from florg_app.config.runconfig import find_app
from tests.support.documents import document as document_page
from tests.support.repository import REPOSITORY

BASIC = {"name": "m", "methods": ["florg", "fedit"], "seeds": [3, 1], "clients": 4}


def planner(tmp_path, document, *assignments, files=()):
    found = reading.parse_matrix({**BASIC, **document})
    file = tmp_path / "matrix.toml"
    return cells.Planner(found, cells.gather_layers(find_app(tmp_path), file, found, list(files), list(assignments)))


def cell(made, label="florg", variant=0, seed=1, point=None):
    return made.reported(made.matrix.variant[variant], label, seed, point or {})


def test_a_matrix_is_read_with_its_labels_variants_and_grid(tmp_path):
    file = tmp_path / "m.toml"
    file.write_text(
        'name = "m"\nmethods = ["florg", "wide"]\nseeds = [1]\nclients = 3\ntargets = [0.5]\n'
        'settings.train.epochs = 2\n[method.wide]\nstrategy.name = "fedit"\nadapter.rank = 8\n'
        '[[variant]]\nname = "a"\ntask.name = "glue/sst2"\ntargets = [0.9]\n[[variant]]\nname = "b"\nclients = 5\n'
        "[tune]\nseeds = [7]\nrounds = 2\nholdout = 0.2\n[tune.grid]\ntrain.learning-rate = [0.1, 0.01]\n"
    )
    found = reading.read_matrix(file)
    assert found.settings == {"train.epochs": 2}
    assert found.method == {"wide": {"strategy.name": "fedit", "adapter.rank": 8}}
    assert [(v.name, v.settings, found.targets_of(v), v.clients) for v in found.variant] == [
        ("a", {"task.name": "glue/sst2"}, (0.9,), None),
        ("b", {}, (0.5,), 5),
    ]
    assert found.tune is not None
    assert found.tune.points() == [{"train.learning-rate": 0.01}, {"train.learning-rate": 0.1}]


def test_the_documents_matrix_has_usable_settings(tmp_path):
    example, *tunings = document_page("docs/compare.md").blocks("toml")
    document = {**tomllib.loads(example), "config": [str(REPOSITORY / "conf/minilm-sst2.toml")]}
    assert tunings
    for changed in ({}, *map(tomllib.loads, tunings)):
        assert changed.keys() <= {"tune"}
        assert planner(tmp_path, {**document, **changed}).problems() == []


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"metrik": "f1"}, "metrik: no such key; there are name, methods, seeds"),
        ({"clients": 0}, "clients = 0"),
        ({"seeds": [1, 1]}, "1 is there more than once"),
        ({"methods": ["../x"]}, "it names a folder"),
        ({"engine": "ray"}, "'inline' or 'simulation'"),
        ({"variant": [{"task.name": "tiny"}]}, "variant.0.name is missing"),
        ({"variant": [{"name": "a"}, {"name": "a"}]}, "a is there more than once"),
        ({"method": {"other": {}}}, "[method.other] is not among methods"),
        ({"settings": {"seed": 3}}, "[settings] seed: the key seeds"),
        ({"settings": {"strategy": {"name": "fedit"}}}, "methods names them"),
        ({"tune": {"seeds": [1], "rounds": 1, "holdout": 0.1, "grid": {"a": [1]}}}, "tune.rounds = 1"),
        ({"tune": {"seeds": [1], "rounds": 2, "holdout": 0.1, "seed": 1, "grid": {"a": [1]}}}, "tune.seed: no such"),
        ({"method": {"florg": {"adapter.rank": 2}}, "variant": [{"name": "a", "adapter.rank": 4}]}, "both have"),
    ],
)
def test_an_unusable_matrix_is_refused_with_its_reason(document, words):
    with pytest.raises(MatrixError) as refusal:
        reading.parse_matrix({**BASIC, **document})
    assert words in str(refusal.value)
    assert "Tuple should" not in str(refusal.value)


def test_a_matrix_that_is_no_file_or_no_toml_is_named(tmp_path):
    (tmp_path / "m.toml").write_text("name = ")
    for name, words in (("m.toml", "is no TOML"), ("n.toml", "No such file")):
        with pytest.raises(MatrixError, match=words):
            reading.read_matrix(tmp_path / name)


def test_every_wrong_setting_is_found_before_anything_runs_and_named_once(tmp_path):
    variants = [{"name": "a", "adapter": {"rank": 0}}, {"name": "b"}]
    tune = {"seeds": [1], "rounds": 2, "holdout": 0.2, "grid": {"train.learning-rate": [0.1, -1]}}
    document = {"methods": ["florg", "fedid"], "variant": variants, "tune": tune, "settings": {"train.epoch": 1}}
    problems = planner(tmp_path, document).problems()
    assert [problem.split(":")[0] for problem in problems] == [
        "in all cells",
        "florg on a, fedid on a",
        "in all cells",
        "fedid on a, fedid on b",
    ]
    for problem, words in zip(problems, ["train.epoch", "rank = 0", "learning-rate = -1", '"fedid"'], strict=True):
        assert words in problem


@pytest.mark.parametrize("key", ["seed=2", "strategy.name=fedit", "output-dir=x", "train.momentum=0.1"])
def test_what_the_matrix_decides_cannot_be_set_beside_it(tmp_path, key):
    tune = {"seeds": [1], "rounds": 2, "holdout": 0.2, "grid": {"train.momentum": [0.0]}}
    with pytest.raises(MatrixError, match=key.partition("=")[0]):
        planner(tmp_path, {"tune": tune}, key)


def test_later_layers_win_up_to_set_and_the_point_of_the_grid(tmp_path):
    (tmp_path / "own.toml").write_text("train.epochs = 2\ntrain.batch-size = 2\n")
    (tmp_path / "more.toml").write_text("train.batch-size = 4\nadapter.alpha = 4.0\n")
    document = {
        "config": ["own.toml"],
        "settings": {"train.batch-size": 3},
        "method": {"florg": {"adapter.alpha": 5.0}},
        "variant": [{"name": "a", "train.weight-decay": 0.1}],
    }
    made = planner(tmp_path, document, "train.weight-decay=0.2", files=[tmp_path / "more.toml"])
    config = cell(made, point={"train.learning-rate": 0.7}).config
    keys = ["epochs", "batch-size", "weight-decay", "learning-rate"]
    assert [config[f"train.{key}"] for key in keys] == [2, 4, 0.2, 0.7]
    assert (config["adapter.alpha"], cell(made, "fedit").config["adapter.alpha"]) == (5.0, 4.0)


def test_set_fills_in_what_the_cell_is_about(tmp_path):
    variants = [{"name": "v", "task": {"name": "glue/rte"}, "model": {"name": "org/net"}}]
    made = planner(tmp_path, {"variant": variants}, "model.name=/m/{model}", "task.path=/d/{task}/{variant}-{x}")
    config = cell(made).config
    assert (config["model.name"], config["task.path"]) == ("/m/net", "/d/rte/v-{x}")


def test_a_cell_has_the_same_folder_whatever_says_the_same_and_another_for_other_settings(tmp_path):
    one = cell(planner(tmp_path, {"settings": {"train.learning-rate": 1}}))
    assert one.folder == cell(planner(tmp_path, {}, "train.learning-rate=1.0", "client.threads=2")).folder
    assert one.folder.parts[:3] == ("cells", "all", "florg")
    assert one.folder.name.startswith("seed-1-")
    others = [cell(planner(tmp_path, {})), cell(planner(tmp_path, {"clients": 5})), cell(planner(tmp_path, {}), seed=2)]
    assert len({one.folder, *(other.folder for other in others)}) == 4


def test_where_clients_keep_a_part_they_score_the_last_model_too_on_the_rows_of_the_others(tmp_path):
    document = {"methods": ["fedit", "local", "fedsa-lora"], "method": {"fedsa-lora": {"num-server-rounds": 3}}}
    made = planner(tmp_path, document, "num-server-rounds=5")
    scored = [(c.rounds, c.config["evaluate.on-clients"]) for c in (cell(made, label) for label in made.matrix.methods)]
    assert scored == [(5, False), (6, True), (5, True)]
    assert cell(made, "local").config["evaluate.client-rows"] == "validation"


def test_tuning_never_sees_the_validation_rows(tmp_path):
    tune = {"seeds": [7], "rounds": 3, "holdout": 0.3, "grid": {"train.learning-rate": [0.1]}}
    made = planner(tmp_path, {"tune": tune, "methods": ["local", "florg"]})
    for label in made.matrix.methods:
        config = made.tuning(made.matrix.variant[0], label, 7, {"train.learning-rate": 0.1}).config
        assert (config["evaluate.every"], config["evaluate.client-rows"]) == (0, "held-out")
        assert (config["num-server-rounds"], config["partition.holdout"], config["seed"]) == (3, 0.3, 7)
