"""A headless Chromium that says how a page lies at a width: overflow, contrast, errors."""

from __future__ import annotations

import functools
import html
import http.server
import json
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

_MEASURE = """<!DOCTYPE html><meta charset="utf-8">
<iframe id="page" style="border: 0; width: WIDTHpx; height: 900px" SANDBOX src="PAGE"></iframe>
<pre id="found"></pre>
<script>
function channel(value) {
  value /= 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}
function colour(text) { return (text.match(/[\\d.]+/g) || []).map(Number); }
function light([r, g, b]) {
  return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
}
function backOf(element, window) {
  for (let at = element; at; at = at.parentElement) {
    const found = colour(window.getComputedStyle(at).backgroundColor);
    if (found.length === 3 || found[3] > 0) return found;
  }
  return [255, 255, 255];
}
function faint(page) {
  const window = page.defaultView, found = [];
  const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.getClientRects().length) continue;
    const front = colour(window.getComputedStyle(element).color);
    const pair = [light(front), light(backOf(element, window))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) found.push(element.className + " " + ratio.toFixed(2));
  }
  return [...new Set(found)];
}
document.getElementById("page").onload = (event) => {
  const frame = event.target, page = frame.contentDocument, view = frame.contentWindow;
  document.getElementById("found").textContent = JSON.stringify({
    scroll: page.documentElement.scrollWidth,
    inner: view.innerWidth,
    dark: view.matchMedia("(prefers-color-scheme: dark)").matches,
    faint: faint(page),
    hacked: view.hacked === true || page.title === "hacked",
    headings: [...page.querySelectorAll("h1, h2")].map((heading) => heading.textContent.trim()),
  });
};
</script>"""


@dataclass(frozen=True)
class Seen:
    """What a browser says of a page."""

    scroll: int
    inner: int
    dark: bool
    faint: list[str]
    """Elements whose text has less than the contrast that WCAG AA asks for."""
    hacked: bool
    """Whether a script of the data ran."""
    headings: list[str]
    errors: list[str]
    """What the console said."""


def look(
    page: str,
    *,
    width: int,
    dark: bool = False,
    scripts: bool = True,
    directory: Path | None = None,
) -> Seen:
    """Opens a page in a frame of a width.

    Args:
        page: The address, or the name of a file in `directory`.
        width: In pixels.
        dark: Whether the user prefers dark colours.
        scripts: Whether scripts may run in the page.
        directory: Served for the page, if it is a file.
    """
    sandbox = "" if scripts else 'sandbox="allow-same-origin"'
    frame = _MEASURE.replace("WIDTH", str(width)).replace("SANDBOX", sandbox)
    frame = frame.replace("PAGE", html.escape(page))
    with tempfile.TemporaryDirectory() as place:
        served = directory or Path(place)
        (served / "measure.html").write_text(frame, "utf-8")
        with _server(served) as address:
            drawn = _run([f"{address}/measure.html"], dark=dark, profile=place)
    found = re.search(r'<pre id="found">(.*?)</pre>', drawn.stdout, re.DOTALL)
    assert found is not None, drawn.stderr
    assert found[1], drawn.stderr
    errors = [line for line in drawn.stderr.splitlines() if "CONSOLE" in line]
    return Seen(**json.loads(html.unescape(found[1])), errors=errors)


def _run(arguments: list[str], *, dark: bool, profile: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    return subprocess.run(
        [
            *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            f"--user-data-dir={profile}/profile",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            *("--window-size=1700,1000", "--virtual-time-budget=4000", "--enable-logging=stderr"),
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@contextmanager
def _server(directory: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Says nothing."""
