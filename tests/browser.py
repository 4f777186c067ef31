"""A headless Chromium that tests drive: how a page lies, is read out, answers keys and prints.

It is spoken to over a pipe by the DevTools protocol, so nothing but Chromium itself is needed.
"""

from __future__ import annotations

import atexit
import base64
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

_EXEC = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for number, pipe in enumerate(pipes, 3):
    os.dup2(pipe, number)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Becomes Chromium, which speaks the protocol on the descriptors 3 and 4."""

_MEASURE = """(() => {
const channel = (value) =>
  value <= 10.3 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
const colour = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const backOf = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const found = colour(getComputedStyle(at).backgroundColor);
    if (found.length === 3 || found[3] > 0) return found;
  }
  return [255, 255, 255];
};
const ratio = (one, other) => {
  const pair = [light(one), light(other)];
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
};
const faint = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !element.getClientRects().length) continue;
  const found = ratio(colour(getComputedStyle(element).color), backOf(element));
  if (found < 4.5) faint.add(element.className + " " + found.toFixed(2));
}
for (const bar of document.querySelectorAll("svg rect")) {
  const found = ratio(colour(getComputedStyle(bar).fill), backOf(bar));
  if (found < 3) faint.add("rect " + bar.getAttribute("class") + " " + found.toFixed(2));
}
const cut = [...document.querySelectorAll("body *")].filter((element) => {
  const box = element.getBoundingClientRect();
  return box.width && !element.closest(".wide, .spoken, .skip") && box.right > innerWidth + 1;
});
return {
  scroll: document.documentElement.scrollWidth,
  inner: innerWidth,
  dark: matchMedia("(prefers-color-scheme: dark)").matches,
  faint: [...faint],
  cut: cut.map((element) => element.tagName + "." + element.className),
  hacked: window.hacked === true || document.title === "hacked",
  headings: [...document.querySelectorAll("h1, h2")].map((heading) => heading.innerText.trim()),
};
})()"""


@dataclass(frozen=True)
class Seen:
    """What a browser says of a page."""

    scroll: int
    inner: int
    dark: bool
    faint: list[str]
    """Texts and bars with less contrast than WCAG AA asks for: 4.5 and 3."""
    cut: list[str]
    """Elements that reach beyond the right edge, outside of what scrolls by itself."""
    hacked: bool
    """Whether a script of the data ran."""
    headings: list[str]
    errors: list[str]
    """What the console said."""


@dataclass(frozen=True)
class Spoken:
    """A node of the accessibility tree: what a screen reader is told."""

    role: str
    name: str
    level: int | None = None


class Browser:
    """One Chromium process."""

    def __init__(self) -> None:
        assert CHROMIUM is not None
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()
        words = [sys.executable, "-c", _EXEC, str(to_read), str(to_write), CHROMIUM]
        words += ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        words += [f"--user-data-dir={self._profile}", "--no-first-run", "about:blank"]
        self._process = subprocess.Popen(
            words, pass_fds=(to_read, to_write), stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(to_write)
        self._numbers = itertools.count(1)
        self._read = b""
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        """Ends it."""
        os.close(self._out)
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        shutil.rmtree(self._profile, ignore_errors=True)

    def ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """The answer to a command; events that come before it are kept."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer)
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def wait_for(self, method: str, session: str) -> None:
        """Waits for an event of a page."""
        while not any(_is(event, method, session) for event in self.events):
            self.events.append(self._message())

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            part = os.read(self._in, 1 << 20)
            assert part, "chromium has ended"
            self._read += part
        first, _, self._read = self._read.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        return message


def _is(event: dict[str, Any], method: str, session: str) -> bool:
    return event.get("method") == method and event.get("sessionId") == session


@cache
def _browser() -> Browser:
    browser = Browser()
    atexit.register(browser.close)
    return browser


class Tab:
    """An open page."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command on this page."""
        return self._browser.ask(method, self._session, **parameters)

    def open(self, address: str) -> None:
        """Goes to an address, and waits for the page."""
        self.go(lambda: self.ask("Page.navigate", url=address))

    def go(self, how: Callable[[], object]) -> None:
        """Does what leads to another page, and waits for that."""
        self._browser.events.clear()
        how()
        self._browser.wait_for("Page.loadEventFired", self._session)

    def value(self, expression: str) -> Any:
        """What an expression gives; also where the page may not run scripts."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str, code: int, modifiers: int = 0) -> None:
        """Presses a key, such as Tab (9) or Enter (13)."""
        text = {"text": "\r"} if key == "Enter" else {}
        words = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.ask("Input.dispatchKeyEvent", type="keyDown", **words, **text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **words)

    def seen(self) -> Seen:
        """How the page lies, and what the console said."""
        found = self.value(_MEASURE)
        names = {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"}
        said = [event["params"] for event in self._browser.events if event.get("method") in names]
        return Seen(**found, errors=[json.dumps(one)[:300] for one in said])

    def spoken(self) -> list[Spoken]:
        """What a screen reader is told, in order."""
        nodes = self.ask("Accessibility.getFullAXTree")["nodes"]
        return [_spoken(node) for node in nodes if not node["ignored"]]

    def printed(self) -> bytes:
        """The page as a PDF, as it is printed on A4."""
        drawn = self.ask(
            "Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False
        )
        return base64.b64decode(drawn["data"])

    def picture(self, place: Path) -> None:
        """Writes the whole page as a picture."""
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        place.write_bytes(base64.b64decode(shot["data"]))


def _spoken(node: dict[str, Any]) -> Spoken:
    properties = {one["name"]: one["value"].get("value") for one in node.get("properties", [])}
    level = properties.get("level")
    return Spoken(node["role"]["value"], node.get("name", {}).get("value", ""), level)


@contextmanager
def tab(
    address: str,
    *,
    width: int = 1000,
    dark: bool = False,
    scripts: bool = True,
    paper: bool = False,
) -> Iterator[Tab]:
    """Opens a page.

    Args:
        address: The address of it.
        width: Of the screen, in pixels.
        dark: Whether the user prefers dark colours.
        scripts: Whether scripts may run.
        paper: Whether it is shown as it is printed.
    """
    browser = _browser()
    target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
    session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    page = Tab(browser, session)
    try:
        for domain in ("Page", "Log", "Runtime", "Accessibility"):
            page.ask(f"{domain}.enable")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        page.ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.ask("Emulation.setEmulatedMedia", media="print" if paper else "", features=[scheme])
        page.ask("Emulation.setScriptExecutionDisabled", value=not scripts)
        page.open(address)
        yield page
    finally:
        browser.ask("Target.closeTarget", targetId=target)


def look(address: str, *, width: int, dark: bool = False, scripts: bool = True) -> Seen:
    """Opens a page and says how it lies."""
    with tab(address, width=width, dark=dark, scripts=scripts) as page:
        return page.seen()
