"""Fixtures for all tests."""

import gc
from uuid import uuid4

import pytest
import torch
from hypothesis import HealthCheck, settings
from transformers import PreTrainedModel

from florg_app.data import token_cache
from tests.support import patience
from tests.support.tiny_models import TARGETS, tiny_model


def pytest_configure(config: pytest.Config) -> None:
    """Draw the same examples in every run, or those of `--hypothesis-seed`, and take as long as it takes.

    How long an example took says something about the machine and nothing about the law.
    """
    fixed = config.getoption("--hypothesis-seed") is None
    settings.register_profile("florg", deadline=None, derandomize=fixed, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("florg")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """The waits of a test fit into its time limit."""
    own = item.get_closest_marker("timeout")
    patience.begin(own.args[0] if own else item.config.getoption("timeout", None) or patience.LIMIT)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Bits do not depend on how many cores the machine has, and parallel test runs do not fight for them."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def imports_outlive_the_session() -> None:
    """What the imports made is left out of garbage collections, which assembling a model asks for: half of its time."""
    gc.freeze()


@pytest.fixture(autouse=True)
def seeded() -> None:
    """What a test draws does not depend on the tests before it."""
    torch.manual_seed(1)


@pytest.fixture(autouse=True)
def no_tokens_from_earlier_runs(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokenised rows are kept for one test alone."""
    monkeypatch.setattr(token_cache, "HF_HOME", str(tmp_path_factory.getbasetemp() / "hf" / uuid4().hex))


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
