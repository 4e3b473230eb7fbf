"""Images of classes: any vision family learns them; each is decoded only when it is asked for."""

import pytest
import torch

from clients.targets import find_head, find_targets
from clients.train_settings import TrainOptions
from clients.trainer import local_train
from florg_app.engines import inline
from florg_app.reports.history import read_history
from florg_app.tasks.images import task as images
from florg_app.tasks.images.rows import open_image
from scripts.make_tiny_vit import make
from strategies.method import Method
from strategies.methods.fedftg import FedFTG
from strategies.methods.florg import FLoRG
from tests.support.pictures import FAMILIES, PROCESSOR, image_task, vision_model, write_folders
from tests.support.tiny_models import AdaptedModel, group_layers, random_state

CPU = torch.device("cpu")
SQUARE = type(PROCESSOR)(size={"height": 16, "width": 16})


def adapted(family: str, method: Method) -> AdaptedModel:
    model = vision_model(family)
    groups = group_layers(find_targets(model, default=method.plan.targets))
    made = AdaptedModel(model, method.plan, groups, 3, 1.5, 0.0)
    made.fix({group.name: method.fixed(group, 3, 0, made.weights) for group in groups})
    made.fill(random_state(made, 0))
    return made


@pytest.fixture
def task(tmp_path):
    write_folders(tmp_path / "train", 4)
    write_folders(tmp_path / "validation", 2)
    return image_task(tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_head_is_the_classifier_and_the_targets_are_in_the_backbone(family):
    model = vision_model(family)
    assert set(find_head(model)) == {"classifier.weight", "classifier.bias"}
    attention = {name.rpartition(".")[2] for name in find_targets(model)}
    up = {name.rpartition(".")[2] for name in find_targets(model, default="mlp-up")}
    assert (attention, up) == ({"q_proj", "v_proj"}, {"fc1"})


@pytest.mark.parametrize("method", [FLoRG(), FedFTG()])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_falls_on_any_family(family, method, task):
    features = task.features(task.rows("train"), SQUARE, 1)
    how = TrainOptions(learning_rate=0.01, head_learning_rate=0.05, batch_size=4, epochs=6)
    report = local_train(
        adapted(family, method), features, how, collate=task.collate(SQUARE), loss_fn=task.loss, seed=1
    )
    assert report.loss_last < 0.7 * report.loss_first
    assert report.num_examples == 12


def test_predictions_are_scored_against_their_own_classes(task):
    features = task.features(task.rows("validation"), SQUARE, 1)
    model = vision_model("vit")
    batch = task.collate(SQUARE)([features[row] for row in range(6)])
    assert batch["pixel_values"].shape == (6, 3, 16, 16)
    predictions = list(task.predict(model, batch))
    logits = torch.stack([row for row, _ in predictions])
    torch.testing.assert_close(logits, model(pixel_values=batch["pixel_values"]).logits)
    right = (logits.argmax(1) == torch.tensor([0, 0, 1, 1, 2, 2])).float().mean().item()
    scores = task.score(predictions, features)
    assert scores.keys() == {"accuracy", "macro-f1", "loss"}
    assert scores["accuracy"] == pytest.approx(right)
    certain = [(torch.eye(3)[label] * 20, label) for _, label in predictions]
    assert task.score(certain, features) == {"accuracy": 1.0, "macro-f1": 1.0, "loss": pytest.approx(0.0, abs=1e-6)}


def test_an_image_is_decoded_when_it_is_asked_for_and_not_before(task, monkeypatch):
    opened = []
    monkeypatch.setattr(images, "open_image", lambda cell, given: opened.append(cell["path"]) or open_image(cell))
    features = task.features(task.rows("train"), PROCESSOR, 1)
    assert len(features) == 12
    assert len(opened) < 12  # the check of annotations, which tests run with, looks at an element
    opened.clear()
    example = features[5]
    assert example["pixel_values"].shape == (3, 12, 16)
    assert example["pixel_values"].dtype == torch.float32
    assert [path.endswith("green/1.png") for path in opened] == [True]
    assert torch.equal(features[5]["pixel_values"], example["pixel_values"])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_backbone_in_16_bits_takes_images(dtype, task):
    features = task.features(task.rows("train"), SQUARE, 1)
    batch = task.collate(SQUARE)([features[0], features[11]])
    assert torch.isfinite(task.loss(vision_model("vit").to(dtype), batch))


def test_a_federation_learns_colours_with_a_tiny_transformer_made_here(tmp_path):
    write_folders(tmp_path / "data" / "train", 12)
    write_folders(tmp_path / "data" / "validation", 3)
    make(tmp_path / "model", 1)
    keys = {"task.name": "images", "task.path": str(tmp_path / "data"), "model.name": str(tmp_path / "model")}
    sizes = {"num-server-rounds": 2, "partition.min-size": 4, "train.batch-size": 4, "client.threads": 1}
    inline.run_in_process({**keys, **sizes, "output-dir": str(tmp_path / "run")}, 2)
    first, *_, last = read_history(tmp_path / "run")
    assert last["evaluation"]["loss"] < first["evaluation"]["loss"]
    assert last["evaluation"]["macro-f1"] > 0.6


def test_the_tiny_transformer_has_the_same_bits_for_the_same_seed(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make(tmp_path / name, seed)
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b != c
