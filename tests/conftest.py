"""Fixtures for all tests."""

import pytest
import torch
from transformers import PreTrainedModel

from tests.tiny_models import TARGETS, tiny_model


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Bits do not depend on how many cores the machine has, and parallel test runs do not fight for them."""
    torch.set_num_threads(1)


@pytest.fixture
def bert() -> PreTrainedModel:
    return tiny_model("bert")


@pytest.fixture
def llama() -> PreTrainedModel:
    return tiny_model("llama")


@pytest.fixture(params=list(TARGETS))
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    """One of every family: encoder, decoders, Conv1D, grouped key/value heads."""
    return tiny_model(request.param)
