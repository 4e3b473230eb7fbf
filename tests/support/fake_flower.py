"""Stand-ins for Flower's commands: they note how they were called and answer as `behaviour` says."""

import json
import sys
import textwrap
from pathlib import Path

_SUPERLINK = """
import http.server, subprocess, sys
if behaviour["superlink"] == "broken":
    sys.exit("address already in use")
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *arguments):
        pass

http.server.HTTPServer.allow_reuse_address = False
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Health)
child = subprocess.Popen(["sleep", "1000"], start_new_session=True)  # as SuperExec, which has a session of its own
note(child=child.pid, pid=__import__("os").getpid())
server.serve_forever()
"""

_FLWR = """
import sys, time
note()
command = sys.argv[1]
if command == "log":
    print(behaviour["log"], end="", flush=True)
elif command == "run" and behaviour["run"] != "accepted":
    answer({"success": False, "error-message": behaviour["run"]})
elif command == "ls":
    states = behaviour["states"]
    state = states[min(calls("ls") - 1, len(states) - 1)]
    if state == "unreachable":
        sys.exit("connection refused")
    answer({"success": True, "runs": [{"status": state, "status-details": behaviour["details"]}]})
else:
    answer({"success": True, "run-id": "42"})
"""

_COMMON = """
import json, os, sys
from pathlib import Path
here = Path(__file__).parent
behaviour = json.loads((here / "behaviour.json").read_text())
name = Path(__file__).name

def note(**more):
    call = {"name": name, "arguments": sys.argv[1:], "environment": dict(os.environ), "cwd": os.getcwd(), **more}
    with (here / "calls.jsonl").open("a") as file:
        file.write(json.dumps(call) + "\\n")

def calls(command):
    lines = (here / "calls.jsonl").read_text().splitlines()
    return sum(json.loads(line)["arguments"][:1] == [command] for line in lines)

def answer(document):
    print("some words before")
    print(json.dumps(document))
"""


class FakeFlower:
    """A folder of commands that stands in for that of the Python environment."""

    def __init__(self, folder: Path, **behaviour):
        self.folder = folder
        defaults = {
            "superlink": "healthy",
            "run": "accepted",
            "states": ["finished:completed"],
            "details": "",
            "log": "",
        }
        assert behaviour.keys() <= defaults.keys()
        (folder / "behaviour.json").write_text(json.dumps(defaults | behaviour))
        for name, body in {"flower-superlink": _SUPERLINK, "flwr": _FLWR}.items():
            script = folder / name
            script.write_text(f"#!{sys.executable}\n{textwrap.dedent(_COMMON)}{textwrap.dedent(body)}")
            script.chmod(0o755)

    def calls(self, command: str = "") -> list[dict]:
        """Those of `flwr <command>`, or of the SuperLink."""
        lines = [json.loads(line) for line in (self.folder / "calls.jsonl").read_text().splitlines()]
        return [c for c in lines if (c["arguments"][0] == command if command else c["name"] == "flower-superlink")]
