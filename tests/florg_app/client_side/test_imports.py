"""What a process that starts for one message imports."""

import json
import subprocess
import sys

import pytest

LIBRARIES_OF_OTHERS = (
    "peft",
    "matplotlib",
    "sklearn",
    "torchmetrics",
    "rouge_score",
    "sacrebleu",
    "ray",
    "typer.testing",
)
"""Of the export, the report, scores of certain tasks, the simulation."""

OWN_OF_OTHERS = (
    "florg_app.exports",
    "florg_app.compare",
    "florg_app.cli",
    "florg_app.engines",
    "florg_app.server_side",
)


@pytest.fixture(scope="module")
def imported() -> set[str]:
    code = "import florg_app.client_app, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", [*LIBRARIES_OF_OTHERS, *OWN_OF_OTHERS])
def test_a_client_imports_nothing_that_only_others_need(module, imported):
    assert "florg_app.client_app" in imported
    assert not {name for name in imported if name == module or name.startswith(f"{module}.")}
