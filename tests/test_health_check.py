"""The containers' health check believes the own authority and a status of 200, nothing else."""

import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from florg_app import certs
from tests.compose import DOCKER


class Healthy(BaseHTTPRequestHandler):
    """Answers like Flower where it is up; `status` is what it says."""

    status = 200

    def do_GET(self):
        self.send_response(self.status if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, format, *args):
        pass


@pytest.mark.parametrize(("status", "trusted", "code"), [(200, True, 0), (503, True, 1), (200, False, 1)])
def test_the_health_check_asks_over_tls_and_trusts_the_own_authority_alone(
    tmp_path, monkeypatch, status, trusted, code
):
    monkeypatch.setattr(Healthy, "status", status)
    certs.make(tmp_path / "ours", ["localhost"], [], days=2)
    certs.make(tmp_path / "others", ["localhost"], [], days=2)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ours/server/server.crt", tmp_path / "ours/server/server.key")
    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        authority = tmp_path / ("ours" if trusted else "others") / "ca/ca.crt"
        env = {"HEALTH_URL": f"https://127.0.0.1:{server.server_port}/health", "HEALTH_CA": str(authority)}
        done = subprocess.run([sys.executable, DOCKER / "health.py"], env=env, capture_output=True, check=False)
        server.shutdown()
    assert done.returncode == code, done.stderr
