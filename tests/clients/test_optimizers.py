"""The optimizers and the warm-up."""

import pytest
import torch

from clients.optimizers import build_optimizer, warmup_factor


def test_optimizers_without_a_head_or_with_an_unknown_name():
    parameter = torch.zeros(2, requires_grad=True)
    assert len(build_optimizer("adamw", [parameter], [], 0.1, 0.1, 0.0, 0.0).param_groups) == 1
    with pytest.raises(ValueError, match=r"train\.optimizer = 'lion'; known are adamw, sgd"):
        build_optimizer("lion", [parameter], [], 0.1, 0.1, 0.0, 0.0)


def test_weight_decay_is_decoupled_and_reaches_both_groups():
    parameter = torch.ones(2, requires_grad=True)
    optimizer = build_optimizer("adamw", [parameter], [], 0.1, 0.1, 0.5, 0.0)
    parameter.grad = torch.zeros(2)
    optimizer.step()
    torch.testing.assert_close(parameter.detach(), torch.full((2,), 1 - 0.1 * 0.5))


def test_the_warm_up_is_linear_over_its_share_of_the_steps():
    assert [warmup_factor(step, 10, 0.4) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert [warmup_factor(step, 10, 0.15) for step in range(3)] == [0.5, 1.0, 1.0]
    assert warmup_factor(0, 10, 0.0) == 1.0
    assert warmup_factor(0, 1, 0.1) == 1.0
