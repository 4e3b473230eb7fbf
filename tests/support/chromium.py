"""A real Chromium without a window, for pages: what it says of them, what overflows, and how they look."""

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DRIVERS = ("chromedriver", "chromium.chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

_OVERFLOWING = """
const width = document.documentElement.clientWidth, found = [];
for (const element of document.body.querySelectorAll('*')) {
  if (element.closest('.scroll table, .pan img')) continue;
  const box = element.getBoundingClientRect();
  if (box.width && (box.right > width + 1 || box.left < -1)) found.push(element.outerHTML.slice(0, 100));
  const style = getComputedStyle(element);
  if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth && style.display !== 'inline'
      && !['auto', 'scroll'].includes(style.overflowX)) found.push('inside: ' + element.outerHTML.slice(0, 100));
}
if (document.documentElement.scrollWidth > width) found.push('the page');
return found;
"""
"""What is wider than its place, and cannot be scrolled to."""

_BROKEN_WORDS = """
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode;
  for (const word of node.data.matchAll(/[^\\s–-]+/g)) {
    const range = document.createRange();
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].length);
    const lines = new Set([...range.getClientRects()].filter(box => box.width).map(box => Math.round(box.top)));
    if (lines.size > 1) found.push(word[0]);
  }
}
return found;
"""
"""Words that stand on two lines."""


_FAINT_TEXTS = """
const channel = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const numbers = text => text.match(/[\\d.]+/g).map(Number);
const light = rgb => 0.2126 * channel(rgb[0]) + 0.7152 * channel(rgb[1]) + 0.0722 * channel(rgb[2]);
const paper = element => {
  for (let at = element; at; at = at.parentElement) {
    const rgb = numbers(getComputedStyle(at).backgroundColor);
    if (rgb.length < 4 || rgb[3] > 0) return rgb;
  }
  return [255, 255, 255];
};
const found = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
  if (!text || !element.getClientRects().length) continue;
  const pair = [light(numbers(getComputedStyle(element).color)), light(paper(element))].sort((a, b) => b - a);
  if ((pair[0] + 0.05) / (pair[1] + 0.05) < 4.5) found.add(text.slice(0, 60));
}
return [...found];
"""
"""Letters that stand out from what is behind them by less than a ratio of 4.5."""


class OpenedPage:
    """A page in a browser, at one width and on light or dark paper."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def show(self, path: Path, width: int, dark: bool) -> None:
        """Load a page anew."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self._driver.get(path.as_uri())

    def run(self, script: str) -> Any:
        return self._driver.execute_script(script)

    def overflowing(self) -> list[str]:
        return self.run(_OVERFLOWING)

    def broken_words(self) -> list[str]:
        return self.run(_BROKEN_WORDS)

    def faint_texts(self) -> list[str]:
        return self.run(_FAINT_TEXTS)

    def unloaded_pictures(self) -> list[str]:
        return self.run("return [...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.alt)")

    def said(self) -> list[str]:
        """The console's lines since the last call."""
        return [entry["message"] for entry in self._driver.get_log("browser")]

    def picture(self, path: Path) -> None:
        """Write a PNG of the whole page."""
        options = {"captureBeyondViewport": True, "format": "png"}
        path.write_bytes(base64.b64decode(self._driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"]))


@contextmanager
def chromium(profile: Path) -> Iterator[OpenedPage]:
    """Start a browser with a new profile in this folder; skips the test, with the reason, where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    browser, driver = _first_of(BROWSERS), _first_of(DRIVERS)
    if browser is None or driver is None:
        pytest.skip("no Chromium with its driver on this machine: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    try:
        opened.set_page_load_timeout(120)
        yield OpenedPage(opened)
    finally:
        opened.quit()


def _first_of(names: tuple[str, ...]) -> str | None:
    """The path of the first of these programs that is there."""
    return next((path for name in names if (path := shutil.which(name))), None)
