"""Local training."""

import hashlib
import math
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from clients.adapted_model import AdaptedModel
from clients.backbone import keep_head_in_float32
from clients.optimizers import OPTIMIZERS
from clients.seeding import scoped_seed
from clients.train_settings import TrainOptions
from clients.trainer import TrainReport, local_train
from strategies.methods.florg import FLoRG
from strategies.plan import Role
from strategies.state import State
from tests.support.repository import REPOSITORY
from tests.support.tiny_models import METHODS, loss_fn, pad, random_state, tiny_adapted, tiny_features, tiny_model

CPU = torch.device("cpu")


def fit(adapted: AdaptedModel, settings: TrainOptions, seed: int = 0, num_examples: int = 24) -> TrainReport:
    return local_train(adapted, tiny_features(num_examples, seed), settings, collate=pad, loss_fn=loss_fn, seed=seed)


def digest(state: State) -> str:
    values = b"".join(tensor.numpy().tobytes() for _, tensor in sorted(state.flat.items()))
    return hashlib.sha256(values).hexdigest()


def serve(adapted: AdaptedModel, client: int) -> str:
    """One client's whole work: fill, train with dropout, read."""
    adapted.fill(random_state(adapted, seed=9))
    fit(adapted, TrainOptions(epochs=2, batch_size=5), seed=client)
    return digest(adapted.read(Role.SHARED))


def served_by_a_new_process() -> str:
    torch.set_num_threads(1)
    return serve(tiny_adapted(tiny_model("llama"), FLoRG(), dropout=0.2), client=0)


def test_a_client_gets_the_same_bits_in_any_process_and_after_any_others(llama: PreTrainedModel):
    adapted = tiny_adapted(llama, FLoRG(), dropout=0.2)
    first, other, again = (serve(adapted, client) for client in (0, 1, 0))
    assert first == again != other
    code = "from tests.clients.test_trainer import served_by_a_new_process; print(served_by_a_new_process())"
    new = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert new.stdout.split()[-1] == first


def one_step(llama: PreTrainedModel, dropout: float, seed: int) -> Tensor:
    """What one step over equal rows makes of the adapters: their order, which the seed decides too, plays no part."""
    with tiny_adapted(llama, FLoRG(), dropout=dropout) as adapted:
        adapted.fill(random_state(adapted, seed=9))
        options = TrainOptions(optimizer="sgd", batch_size=12, max_steps=1)
        rows = [tiny_features(1, 0)[0]] * 12
        local_train(adapted, rows, options, collate=pad, loss_fn=loss_fn, seed=seed)
        return torch.cat([tensor.flatten() for tensor in adapted.read(Role.SHARED).adapters.flat.values()])


def test_dropout_is_at_work_in_training_and_differs_between_clients(llama: PreTrainedModel):
    plain, first, other = (one_step(llama, dropout, seed) for dropout, seed in ((0.0, 1), (0.5, 1), (0.5, 2)))
    torch.testing.assert_close(one_step(llama, 0.0, 2), plain, rtol=1e-5, atol=1e-6)
    moved = (plain - first).abs().max()
    assert moved > 1e-4
    assert (first - other).abs().max() > 0.1 * moved


def test_training_leaves_the_callers_random_stream_alone(llama: PreTrainedModel):
    before = torch.get_rng_state()
    with tiny_adapted(llama, FLoRG(), dropout=0.2) as adapted:
        fit(adapted, TrainOptions())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", METHODS)
def test_the_loss_falls(name: str, optimizer: str):
    rate = {"adamw": 0.02, "sgd": 0.5}[optimizer]
    settings = TrainOptions(optimizer, rate, rate, momentum=0.5, epochs=15, batch_size=24)
    with tiny_adapted(tiny_model("bert"), METHODS[name]) as adapted:
        frozen = {key: tensor.clone() for key, tensor in adapted.model.base_model.state_dict().items()}
        report = fit(adapted, settings)
        assert report.loss_last < 0.95 * report.loss_first
        assert all(torch.equal(tensor, frozen[key]) for key, tensor in adapted.model.base_model.state_dict().items())


def test_the_report_counts_rows_steps_and_tokens_without_padding(llama: PreTrainedModel):
    features = tiny_features(13)
    with tiny_adapted(llama, FLoRG()) as adapted:
        report = local_train(
            adapted, features, TrainOptions(epochs=2, batch_size=5), collate=pad, loss_fn=loss_fn, seed=0
        )
    assert (report.num_examples, report.steps) == (13, 6)
    assert report.tokens == 2 * sum(len(example["input_ids"]) for example in features)
    assert report.tokens_per_second == pytest.approx(report.tokens / report.seconds)
    assert report.peak_memory_bytes > 2**20
    assert min(report.loss_first, report.loss_last) < report.loss + 1


@pytest.mark.parametrize(("max_steps", "steps"), [(-1, 5), (2, 2), (8, 8)])
def test_max_steps_cuts_or_repeats_the_data(llama: PreTrainedModel, max_steps: int, steps: int):
    with tiny_adapted(llama, FLoRG()) as adapted:
        assert fit(adapted, TrainOptions(max_steps=max_steps, batch_size=5)).steps == steps


def test_every_epoch_sees_every_row_once_in_an_order_of_its_own(llama: PreTrainedModel):
    seen = []

    def collate(examples):
        seen.extend(tuple(example["input_ids"]) for example in examples)
        return pad(examples)

    features = tiny_features(13)
    with tiny_adapted(llama, FLoRG()) as adapted:
        local_train(adapted, features, TrainOptions(epochs=2, batch_size=5), collate=collate, loss_fn=loss_fn, seed=0)
    rows = {tuple(example["input_ids"]) for example in features}
    assert set(seen[:13]) == set(seen[13:]) == rows
    assert seen[:13] != seen[13:]


def step_length(adapted: AdaptedModel, max_norm: float) -> float:
    """How far one step of SGD at rate 1 moves everything trained: the norm of the clipped gradient."""
    before = adapted.read(Role.SHARED).flat
    fit(adapted, TrainOptions("sgd", 1.0, 1.0, max_grad_norm=max_norm, max_steps=1))
    after = adapted.read(Role.SHARED).flat
    return math.hypot(*((after[key] - before[key]).norm().item() for key in before))


def test_gradients_are_clipped_to_the_norm(llama: PreTrainedModel):
    with tiny_adapted(llama, FLoRG()) as adapted:
        assert step_length(adapted, 0.0) > 0.05
        assert step_length(adapted, 0.01) == pytest.approx(0.01, rel=1e-3)


def test_adapters_and_head_have_learning_rates_of_their_own(llama: PreTrainedModel):
    with tiny_adapted(llama, FLoRG()) as adapted:
        before = adapted.read(Role.SHARED).flat
        fit(adapted, TrainOptions(learning_rate=0.01, head_learning_rate=0.0))
        changed = {key for key, old in before.items() if not torch.equal(adapted.read(Role.SHARED).flat[key], old)}
    assert changed == set(before) - {"head/values"}


def test_the_warm_up_reaches_the_optimizer(llama: PreTrainedModel):
    """With SGD the first of ten warm-up steps is a tenth as long."""
    steps = []
    for warmup in (0.0, 1.0):
        with tiny_adapted(llama, FLoRG()) as adapted:
            before = adapted.read(Role.SHARED)["head"]["values"]
            losses = iter([1.0, *[0.0] * 9])
            scaled = lambda model, batch, losses=losses: loss_fn(model, batch) * next(losses)  # noqa: E731
            settings = TrainOptions("sgd", 0.1, 0.1, warmup=warmup, max_steps=10)
            local_train(adapted, tiny_features(24), settings, collate=pad, loss_fn=scaled, seed=0)
            steps.append(adapted.read(Role.SHARED)["head"]["values"] - before)
    torch.testing.assert_close(steps[1], steps[0] / 10, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_the_step_and_the_keys(llama: PreTrainedModel, factor: float):
    factors = iter([1.0, 1.0, factor])

    def broken(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return loss_fn(model, batch) * next(factors)

    with tiny_adapted(llama, FLoRG()) as adapted, pytest.raises(FloatingPointError, match=r"step 2: .*learning-rate"):
        local_train(adapted, tiny_features(24), TrainOptions(batch_size=4), collate=pad, loss_fn=broken, seed=0)


def test_a_finite_loss_with_an_infinite_gradient_is_refused(llama: PreTrainedModel):
    def broken(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return (loss_fn(model, batch) * 0).sqrt()

    with tiny_adapted(llama, FLoRG()) as adapted, pytest.raises(FloatingPointError, match="gradient norm nan"):
        local_train(adapted, tiny_features(8), TrainOptions(), collate=pad, loss_fn=broken, seed=0)


def test_no_data_is_refused(llama: PreTrainedModel):
    with tiny_adapted(llama, FLoRG()) as adapted, pytest.raises(ValueError, match="no training examples"):
        local_train(adapted, [], TrainOptions(), collate=pad, loss_fn=loss_fn, seed=0)


def test_bfloat16_autocast_trains_and_float16_is_refused_on_a_cpu(llama: PreTrainedModel):
    with tiny_adapted(llama, FLoRG()) as adapted:
        rates = {"learning_rate": 0.02, "head_learning_rate": 0.02}
        report = fit(adapted, TrainOptions(**rates, epochs=10, batch_size=24, precision="bfloat16"))
        assert report.loss_last < 0.9 * report.loss_first
        with pytest.raises(ValueError, match=r"train\.precision = 'float16' needs a CUDA device"):
            fit(adapted, TrainOptions(precision="float16"))


def test_a_float16_backbone_trains_with_loss_scaling(bert: PreTrainedModel):
    with tiny_adapted(bert.half(), FLoRG()) as adapted:
        keep_head_in_float32(bert)
        assert step_length(adapted, 0.01) == pytest.approx(0.01, rel=1e-3)
        report = fit(adapted, TrainOptions(learning_rate=0.02, head_learning_rate=0.02, epochs=10, batch_size=24))
        assert report.loss_last < 0.9 * report.loss_first


def test_a_scoped_seed_is_repeatable_and_leaves_no_trace():
    before = torch.get_rng_state()
    with scoped_seed(3):
        first = torch.rand(4)
    with scoped_seed(3):
        assert torch.equal(torch.rand(4), first)
    assert torch.equal(torch.get_rng_state(), before)
