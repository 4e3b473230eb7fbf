"""The containers' health check believes the own authority and a status of 200, nothing else."""

import subprocess
import sys

import pytest

from florg_app import certificates
from tests.support import patience
from tests.support.compose import DOCKER
from tests.support.health_server import health_server


def check(**env):
    env |= {"HEALTH_SECONDS": str(patience.left())}
    return subprocess.run([sys.executable, DOCKER / "health.py"], env=env, capture_output=True, check=False).returncode


@pytest.mark.parametrize(("status", "trusted", "code"), [(200, True, 0), (503, True, 1), (200, False, 1)])
def test_over_tls(tmp_path, status, trusted, code):
    for name in ("ours", "others"):
        certificates.make_certificates(tmp_path / name, ["localhost"], [], days=2)
    authority = tmp_path / ("ours" if trusted else "others") / "ca/ca.crt"
    with health_server(tmp_path / "ours", status) as port:
        assert check(HEALTH_URL=f"https://127.0.0.1:{port}/health", HEALTH_CA=str(authority)) == code


def test_without_tls(tmp_path):
    with health_server() as port:
        url = f"http://127.0.0.1:{port}/health"
        assert check(HEALTH_URL=url, HEALTH_CA="") == 0
    assert check(HEALTH_URL=url) == 1
