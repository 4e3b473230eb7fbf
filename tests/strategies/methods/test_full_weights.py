"""Methods on whole weights: what is trained, and what holds clients near the broadcast."""

import pytest
import torch

from clients import trainer
from clients.penalty import penalty_of
from clients.targets import find_targets
from clients.train_settings import TrainOptions
from strategies.methods.fedavg import FedAvg
from strategies.methods.fedprox import FedProx
from strategies.state import HEAD, State
from tests.support.tiny_models import RANK, loss_fn, pad, tiny_adapted, tiny_features, tiny_model

SETTINGS = TrainOptions(batch_size=4, learning_rate=0.01, head_learning_rate=0.01)


def trained(mu: float) -> list[torch.Tensor]:
    """How far each parameter moved."""
    adapted = tiny_adapted(tiny_model("bert"), FedAvg())
    parameters = adapted.adapter_parameters() + adapted.head_parameters()
    before = [parameter.detach().clone() for parameter in parameters]
    penalty = penalty_of(FedProx(mu=mu) if mu else FedAvg(), adapted, RANK)
    trainer.local_train(adapted, tiny_features(24), SETTINGS, collate=pad, loss_fn=loss_fn, seed=1, penalty=penalty)
    return [(now - then).detach() for now, then in zip(parameters, before, strict=True)]


def test_the_proximal_term_is_half_mu_times_the_squared_distance_and_pulls_back():
    received = State({"6x5": {"D": torch.tensor([1.0, 2.0])}, HEAD: {"bias": torch.tensor([[3.0]])}})
    now = State({"6x5": {"D": torch.tensor([2.0, 0.0])}, HEAD: {"bias": torch.tensor([[6.0]])}})
    parameters = [tensor.requires_grad_() for tensor in now.flat.values()]
    assert FedProx(mu=0.5).penalty(RANK, now, now).item() == 0
    penalty = FedProx(mu=0.5).penalty(RANK, received, now)
    assert penalty.item() == pytest.approx(0.25 * (1 + 4 + 9))
    penalty.backward()
    pulls = [torch.tensor([0.5, -1.0]), torch.tensor([[1.5]])]
    for parameter, pull in zip(parameters, pulls, strict=True):
        torch.testing.assert_close(parameter.grad, pull)


def test_a_penalty_holds_on_to_what_was_received():
    adapted = tiny_adapted(tiny_model("bert"), FedAvg())
    penalty = penalty_of(FedProx(mu=2.0), adapted, RANK)
    assert penalty().item() == 0
    with torch.no_grad():
        for parameter in adapted.adapter_parameters() + adapted.head_parameters():
            parameter += 0.5
    assert penalty().item() == pytest.approx(0.25 * adapted.num_trainable)
    assert penalty_of(FedAvg(), adapted, RANK) is None


def test_a_stronger_proximal_term_keeps_clients_nearer():
    far, near, nearest = (sum(float(d.square().sum()) for d in trained(mu)) for mu in (0, 1.0, 100.0))
    assert far > near > nearest > 0


@pytest.mark.parametrize(
    ("family", "ending"), {"bert": "intermediate.dense", "opt": "fc1", "gpt2": "c_fc", "llama": "up_proj"}.items()
)
def test_the_up_projection_of_every_family_is_found(family, ending):
    targets = find_targets(tiny_model(family), (), "mlp-up")
    assert len(targets) == 2
    assert all(name.endswith(ending) for name in targets)
