"""An optimizer's state from round to round: as if there had been no rounds, and nobody else's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
import torch
from flwr.app import RecordDict
from torch import Tensor
from torch.optim import Optimizer

from clients.memory import ClientStore
from clients.optimizer_state import (
    kept_optimizer_state,
    optimizer_kind,
    read_optimizer_state,
    restore_optimizer_state,
    state_shapes,
)
from clients.optimizers import optimizer_for
from clients.train_settings import TrainOptions
from clients.trainer import local_train
from strategies.method import Method
from strategies.methods.fedftg import FedFTG
from strategies.methods.fedit import FedIT
from strategies.methods.florg import FLoRG
from strategies.plan import Role
from strategies.state import State
from tests.support.moments import at
from tests.support.tiny_models import loss_fn, pad, tiny_adapted, tiny_features, tiny_model

CPU = torch.device("cpu")
FLORG = FLoRG()
STEPS = 3
"""Of a round."""
ALL_BATCHES = [pad(tiny_features(5, seed)) for seed in range(2 * STEPS)]


@dataclass(frozen=True)
class Case:
    """One way to train; GaLore's gap is such that the projector outlives the round and then changes."""

    settings: Mapping[str, object]
    method: Method = FLORG
    has_state: bool = True

    def how(self, num_steps: int) -> TrainOptions:
        common = {"learning_rate": 0.02, "head_learning_rate": 0.03, "batch_size": 5, "max_steps": num_steps}
        return TrainOptions(**{**common, **self.settings})


CASES = {
    "adamw": Case({"weight_decay": 0.1}),
    "sgd with momentum": Case({"optimizer": "sgd", "momentum": 0.9}),
    "galore of adamw": Case({}, FedFTG(rank=2, gap=5)),
    "galore of sgd with momentum": Case({"optimizer": "sgd", "momentum": 0.9}, FedFTG(rank=2, gap=5, side="left")),
    "plain sgd": Case({"optimizer": "sgd"}, has_state=False),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


class Client:
    """A client's rounds: what it is sent it fills in, what its memory holds it goes on from."""

    def __init__(self, case: Case) -> None:
        self.case, self.records, self.t = case, RecordDict(), 0
        with tiny_adapted(tiny_model("bert"), case.method) as adapted:
            self.state = adapted.read(Role.SHARED)

    def train(self, num_steps: int, batches: Iterator, keep: bool = True) -> None:
        """One round, in a model and with an optimizer of its own."""
        how = self.case.how(num_steps)
        with tiny_adapted(tiny_model("bert"), self.case.method, seed=0) as adapted:
            adapted.fill(self.state)
            optimizer, named = optimizer_for(adapted, how, self.case.method.projection()), adapted.trained.flat
            self.t += 1
            records = self.records if keep else RecordDict()
            memory = ClientStore(records, state_shapes(optimizer, named), {"run": "r"}, at(self.t))
            with kept_optimizer_state(optimizer, named, memory):
                local_train(
                    adapted,
                    tiny_features(5),
                    how,
                    collate=lambda _: next(batches),
                    loss_fn=loss_fn,
                    seed=0,
                    optimizer=optimizer,
                )
            self.state = adapted.read(Role.SHARED)


def same(one: State, other: State) -> bool:
    first, second = one.flat, other.flat
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_two_rounds_with_a_kept_state_are_one_uninterrupted_training_bit_for_bit(case: Case):
    whole, rounds, forgetful = Client(case), Client(case), Client(case)
    whole.train(2 * STEPS, iter(ALL_BATCHES))
    batches, others = iter(ALL_BATCHES), iter(ALL_BATCHES)
    for _ in range(2):
        rounds.train(STEPS, batches)
        forgetful.train(STEPS, others, keep=False)
    assert same(rounds.state, whole.state)
    assert same(forgetful.state, whole.state) == (not case.has_state)


def test_a_client_that_keeps_nothing_else_remembers_its_optimizers_state_alone(case: Case):
    client = Client(case)
    client.train(STEPS, iter(ALL_BATCHES))
    assert bool(client.records) == case.has_state
    for array in client.records.array_records.values():
        assert {values.dtype for values in array.values()} == {"float32"}


def optimizer_of(case: Case) -> tuple[Optimizer, dict[str, Tensor]]:
    """A fresh optimizer and its parameters by name."""
    adapted = tiny_adapted(tiny_model("bert"), case.method)
    return optimizer_for(adapted, case.how(1), case.method.projection()), adapted.trained.flat


def test_a_fresh_optimizers_state_has_the_declared_shapes_and_is_zero(case: Case):
    optimizer, named = optimizer_of(case)
    state = read_optimizer_state(optimizer, named).flat
    assert {key: tuple(tensor.shape) for key, tensor in state.items()} == state_shapes(optimizer, named)
    assert not any(tensor.count_nonzero() for tensor in state.values())
    assert bool(state) == case.has_state


def test_the_state_is_copied_in_and_out():
    """Steps change neither what was put in nor what was read before."""
    optimizer, named = optimizer_of(CASES["adamw"])
    ones = State.from_flat({key: torch.ones(shape) for key, shape in state_shapes(optimizer, named).items()})
    restore_optimizer_state(optimizer, named, ones)
    read = read_optimizer_state(optimizer, named)
    for parameter in named.values():
        parameter.grad = torch.full_like(parameter, 2.0)
    optimizer.step()
    assert all(torch.equal(tensor, torch.ones_like(tensor)) for tensor in ones.flat.values())
    assert same(read, ones)
    after = read_optimizer_state(optimizer, named).flat
    assert {key: tensor.tolist() for key, tensor in after.items() if key.endswith("step")} == {
        f"{name}/step": [2.0] for name in named
    }


@pytest.mark.parametrize(
    ("case", "other", "reason"),
    [
        (CASES["sgd with momentum"], CASES["adamw"], "it belongs to optimizer SGD, this is optimizer AdamW"),
        (
            CASES["galore of adamw"],
            Case({"optimizer": "sgd", "momentum": 0.5}, FedFTG(rank=2)),
            "it belongs to optimizer GaLore of AdamW, this is optimizer GaLore of SGD",
        ),
        (CASES["galore of adamw"], Case({}, FedFTG(rank=3)), "/projector' is (4, 32, 2), expected (4, 32, 3)"),
        (CASES["adamw"], Case({}, FedIT()), "arrays missing"),
    ],
)
def test_a_state_that_does_not_fit_is_discarded_with_the_reason(case: Case, other: Case, reason: str, caplog):
    records = RecordDict()
    for t, (one, expected) in enumerate(((case, []), (other, [reason])), start=1):
        caplog.clear()
        optimizer, named = optimizer_of(one)
        owner = {"optimizer": optimizer_kind(optimizer)}
        memory = ClientStore(records, state_shapes(optimizer, named), owner, at(t))
        assert memory.load() is None
        assert len(caplog.records) == len(expected)
        assert all(text in record.getMessage() for text, record in zip(expected, caplog.records, strict=True))
        memory.save(read_optimizer_state(optimizer, named))
        assert ClientStore(records, state_shapes(optimizer, named), owner, at(t + 1)).load() is not None
