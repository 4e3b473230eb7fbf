"""Does the cache of tokenised rows pay? Seconds to tokenise, and to read the same from the disk.

    python -m bench.tokenise --path /data/mrpc --model /models/all-minilm-l6-v2 [--task glue/mrpc]

Prints one line per number of rows: cold (tokenise and write), warm (read, its key and checksum computed), their ratio.
"""

import argparse
import tempfile
import time
from pathlib import Path

from transformers import AutoTokenizer

from florg_app.config.parse import parse_settings
from florg_app.data.token_cache import TokenCache
from florg_app.tasks.registry import make_task

SIZES = (250, 500, 1000, 2000, 4000, 8000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="glue/mrpc")
    parser.add_argument("--path", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--max-length", type=int, default=128)
    given = parser.parse_args()
    settings = parse_settings({"task.name": given.task, "task.path": given.path, "task.max-length": given.max_length})
    task, tokenizer = make_task(settings), AutoTokenizer.from_pretrained(given.model)
    rows = task.rows("train")
    task.features(rows.select(range(10)), tokenizer, given.max_length)  # what is loaded at the first use is not counted
    print("   rows   without     cold     warm  without/warm")
    for size in sorted({min(size, len(rows)) for size in SIZES}):
        some = rows.select(range(size))
        with tempfile.TemporaryDirectory() as folder:

            def make(some=some):
                return task.features(some, tokenizer, given.max_length)

            def through(some=some, folder=folder):
                return TokenCache(Path(folder), tokenizer, min_rows=0).features(some, settings.task, make)

            without, cold, warm = seconds(make), seconds(through), seconds(through)
        print(f"{size:7d} {without:8.3f}s {cold:7.3f}s {warm:7.3f}s {without / warm:12.1f}x", flush=True)


def seconds(work) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
