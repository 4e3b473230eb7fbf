"""A hub on loopback that takes what is pushed: the few answers of its interface that an upload of small files needs."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class HubStub:
    """What a hub was asked for, and what it has now."""

    url: str = ""
    token: str = "right"
    requests: list[str] = field(default_factory=list)
    created: list[dict] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@contextmanager
def hub_stub() -> Iterator[HubStub]:
    """Serve until the block ends."""
    stub = HubStub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("GET", b"")

        def do_POST(self) -> None:
            length = self.headers.get("content-length")
            self._answer("POST", self.rfile.read(int(length)) if length else self._chunks())

        def log_message(self, *_: object) -> None:
            pass

        def _chunks(self) -> bytes:
            found = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found

        def _answer(self, method: str, body: bytes) -> None:
            stub.requests.append(f"{method} {self.path}")
            if self.headers.get("authorization") != f"Bearer {stub.token}":
                self._send({"error": "Invalid username or password."}, 401)
            elif self.path == "/api/repos/create":
                asked = json.loads(body)
                stub.created.append(asked)
                name = f"{asked.get('organization') or 'me'}/{asked['name']}"
                self._send({"url": f"{stub.url}/{name}", "name": name, "id": name})
            elif "/preupload/" in self.path:
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                    for file in json.loads(body)["files"]
                ]
                self._send({"files": files})
            elif "/commit/" in self.path:
                self._take(body)
            elif self.path == "/api/validate-yaml":
                self._send({"errors": [], "warnings": []})
            elif "/revision/" in self.path or self.path.startswith("/api/models/"):
                self._send({"id": "me/ward", "sha": "0" * 40, "siblings": [], "private": True})
            else:
                stub.problems.append(self.path)
                self._send({"error": "no such place"}, 404)

        def _take(self, body: bytes) -> None:
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    value = entry["value"]
                    stub.files[value["path"]] = base64.b64decode(value["content"])
            self._send({"success": True, "commitOid": "1" * 40, "commitUrl": f"{stub.url}/me/ward/commit/{'1' * 40}"})

        def _send(self, document: object, status: int = 200) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
