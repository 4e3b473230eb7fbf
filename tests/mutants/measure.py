"""A plugin of pytest that writes down which lines each test runs, and how long it takes: `--measured FILE`."""

import json
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import coverage
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--measured", type=Path, required=True)


class Measure:
    """Follows the tests of one session."""

    def __init__(self, root: Path, file: Path) -> None:
        self._root, self._file, self._seconds = root, file, dict[str, float]()
        sources = [str(root / name) for name in ("strategies", "clients", "florg_app")]
        self._coverage = coverage.Coverage(data_file=None, source=sources, config_file=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, None, None]:
        self._coverage.start()
        self._coverage.switch_context("")
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, None, None]:
        self._coverage.switch_context(item.nodeid)
        start = time.perf_counter()
        try:
            return (yield)
        finally:
            self._seconds[item.nodeid] = time.perf_counter() - start
            self._coverage.switch_context("")

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data, lines = self._coverage.get_data(), defaultdict[str, dict[int, list[str]]](dict)
        for path in data.measured_files():
            for line, contexts in data.contexts_by_lineno(path).items():
                if nodes := sorted(filter(None, contexts)):
                    lines[str(Path(path).relative_to(self._root))][line] = nodes
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps({"lines": lines, "seconds": self._seconds}))
        part.replace(self._file)


def pytest_configure(config: pytest.Config) -> None:
    file = config.getoption("measured")
    assert file is not None
    config.pluginmanager.register(Measure(config.rootpath, file))
