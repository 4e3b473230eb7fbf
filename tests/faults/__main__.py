"""`python -m tests.faults [--only 1,4] [--warm]`: the table; its exit status is 1 where one did not go as expected."""

import argparse
import logging
import signal
import sys

from rich.console import Console

from tests.faults import scenes, table
from tests.support.secure_federation import WARM_SUPERNODE, SecureFederation


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--only", default="", help="rows, as 1,4; default: all")
    parser.add_argument("--warm", action="store_true", help="with `florg supernode`, whose clients stay")
    options = parser.parse_args(arguments)
    only = {int(row) for row in options.only.split(",") if row}
    if options.warm:
        SecureFederation.supernode = WARM_SUPERNODE
    logging.getLogger("flwr").setLevel(logging.CRITICAL)  # of the runs in this process that show the right result
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing that was started is left
    console = Console() if sys.stdout.isatty() else Console(width=160)
    chosen = [scene for scene in scenes.ALL if not only or only & {fault.row for fault in scene.faults}]
    found = table.lines(chosen, console)
    console.print(table.table(found))
    return table.status(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
