"""A server that answers /health as Flower does, over TLS or not."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextmanager
def health_server(keys: Path | None = None, status: int = 200) -> Iterator[int]:
    """Serve on a free port of 127.0.0.1, which is yielded; with the certificate of `keys`/server over TLS."""

    class Handler(BaseHTTPRequestHandler):
        def setup(self):
            if context is not None:  # here and not in the accepting thread: a stranger to TLS would stop it
                self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def do_GET(self):
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, format, *args):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            pass  # handshakes that fail are what the tests are about

    context = None
    if keys is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(keys / "server/server.crt", keys / "server/server.key")
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()
