"""Colours, widths, numbers, the progress line and the drawing of rows."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

import turnmill
from turnmill import _terminal
from turnmill._terminal import Terminal, clip, columns_of, duration, share, short_count, table, wrap
from turnmill.cli.progress_line import ProgressLine
from turnmill.prepare.progress import Progress
from turnmill.show.draw import draw
from turnmill.show.view import KINDS, RowView, SampleView, sample_view

DEMO = Path(turnmill.__file__).parent / "demo"


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def plain(width: int = 80) -> Terminal:
    return Terminal(io.StringIO(), colour=False, width=width, live=False)


@pytest.mark.parametrize(
    ("environment", "colour"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"NO_COLOR": ""}, True)],
)
def test_colour_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], colour: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _terminal.terminal(Screen()).colour is colour


def test_colour_in_a_pipe_only_when_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert not _terminal.terminal(io.StringIO()).colour
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert _terminal.terminal(io.StringIO()).colour


def test_widths_count_columns() -> None:
    assert columns_of("词元ab") == 6
    assert columns_of("e\u0301") == 1
    assert clip("词元词元", 5) == "词元…"
    assert clip("short", 5) == "short"
    assert table([("词", "1"), ("ab", "22")], numbers=(1,)) == ["词   1", "ab  22"]
    assert wrap("one two three", 7, indent="  ") == ["one two", "  three"]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1k"), (12_345, "12.3k"), (4.56e6, "4.56M"), (7e12, "7e+03G")],
)
def test_short_counts(number: float, text: str) -> None:
    assert short_count(number) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 10, "0 %"),
        (1, 0, "0 %"),
        (1, 100_000, "0.001 %"),
        (1, 3, "33 %"),
        (99_999, 100_000, "99.9 %"),
        (190, 191, "99.5 %"),
        (5, 5, "100 %"),
    ],
)
def test_shares(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text


@pytest.mark.parametrize(
    ("number", "english", "chinese"),
    [
        ("1", "1 row", "1 行"),
        ("21", "21 rows", "21 行"),
        ("1,001", "1,001 rows", "1,001 行"),
    ],
)
def test_one_is_no_plural(number: str, english: str, chinese: str) -> None:
    console = _terminal.terminal(io.StringIO())
    assert console.speaking("en").say("{count} rows", count=number) == english
    assert console.speaking("zh").say("{count} rows", count=number) == chinese


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.9, "9.9 s"), (42.4, "42 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def moment(done: float, rejected: int = 0) -> Progress:
    return Progress(
        shards_done=0,
        shards=4,
        done=done,
        rows=12_345,
        rejected=rejected,
        tokens=4_560_000,
        bytes_read=25_000_000,
        seconds=10.0,
        done_before=0.0,
    )


def test_the_progress_line_on_a_terminal() -> None:
    screen = Screen()
    line = ProgressLine(Terminal(screen, colour=False, width=100, live=True))
    line(moment(0.25, rejected=123))
    line(moment(0.26))
    line.clear()
    drawn = screen.getvalue().split("\r\x1b[2K")
    assert drawn == [
        "",
        "██████·················· "
        " 25 %  12.3k rows  4.56M tokens  2.5 MB/s  123 rejected (1 %)  30 s left",
        "",
    ]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_progress_line_never_wraps(width: int) -> None:
    screen = Screen()
    ProgressLine(Terminal(screen, colour=False, width=width, live=True))(moment(0.25, rejected=9))
    assert columns_of(screen.getvalue().split("\r\x1b[2K")[1]) <= width


def test_progress_in_a_log_is_a_plain_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("turnmill.cli.progress_line.time.monotonic", lambda: clock[0])
    out = plain()
    line = ProgressLine(out)
    for second in range(25):
        clock[0] = 100.0 + second
        line(moment(0.5))
    text = out.stream.getvalue()  # type: ignore[attr-defined]
    assert text == " 50 %  12.3k rows  4.56M tokens  2.5 MB/s  10 s left\n" * 2


def test_a_resumed_run_reckons_with_its_own_speed() -> None:
    resumed = Progress(2, 4, 0.75, 10, 0, 10, 1, 10.0, done_before=0.5)
    assert resumed.seconds_left == pytest.approx(10.0)
    assert Progress(2, 4, 0.5, 10, 0, 10, 1, 10.0, done_before=0.5).seconds_left is None


def sample(*pieces: tuple[str, str, int]) -> SampleView:
    """A sample of pieces: kind, text, and number of tokens, the last of which holds the text."""
    kinds = [kind for kind, _, tokens in pieces for _ in range(tokens)]
    texts = [text for _, whole, tokens in pieces for text in [*[""] * (tokens - 1), whole]]
    numbers = np.arange(len(kinds))
    of_kind = np.array([KINDS.index(kind) for kind in kinds], np.int8)
    return SampleView(0, numbers, numbers, of_kind, lambda ids: [texts[i].encode() for i in ids])


VIEW = RowView(
    "chat.jsonl",
    3,
    4,
    (
        sample(
            ("masked", "<|user|>\nHi\n<|assistant|>\n", 6),
            ("trained", "Hello\nthere", 3),
            ("terminator", "<|end|>", 1),
            ("masked", "\n", 1),
        ),
    ),
)


def test_a_row_without_colour_has_markers() -> None:
    assert "\n".join(draw([VIEW], plain())) == (
        "── row 3 · chat.jsonl:4 · 11 tokens, 36 % trained · 1 turn ends in <|end|>\n"
        "<|user|>\n"
        "Hi\n"
        "<|assistant|>\n"
        "⟦Hello\n"
        "there<|end|>■⟧\n"
        "\n"
        "⟦…⟧ trained   ■ after a trained terminator (EOS)   the rest is masked"
    )


def test_a_row_in_colour_starts_and_ends_its_style_in_each_line() -> None:
    lines = draw([VIEW], Terminal(io.StringIO(), colour=True, width=80, live=True))
    assert lines[3:6] == [
        "\x1b[2m<|assistant|>\x1b[0m",
        "\x1b[32mHello\x1b[0m",
        "\x1b[32mthere\x1b[0m\x1b[1;7;32m<|end|>\x1b[0m",
    ]
    assert all(line.count("\x1b[") % 2 == 0 for line in lines)


def test_a_turn_without_terminator_is_said_loudly() -> None:
    view = RowView("a", 0, 1, (sample(("trained", "endless", 2)),))
    assert "no terminator" in draw([view], plain())[0]


@pytest.mark.parametrize(("message", "where"), [(None, ""), (1, "message 1: ")])
def test_a_rejected_row_shows_rule_reason_and_text(message: int | None, where: str) -> None:
    reject = ("invalid-json", "the line ends too early", message)
    view = RowView("a.jsonl", 7, 9, (), reject, '{"a": ')
    assert draw([view], plain()) == [
        "── row 7 · a.jsonl:9 · rejected: invalid-json",
        f"{where}the line ends too early",
        '{"a":',
        "",
    ]


def test_control_characters_of_the_data_never_reach_the_terminal() -> None:
    view = RowView("a", 0, 1, (sample(("trained", "\x1b[31mred\x9b\u202e", 2)),))
    text = "\n".join(draw([view], plain()))
    assert "␛[31mred\\u009b\\u202e" in text
    assert "\x1b" not in text
    reject = RowView("a", 0, 1, (), ("lone-surrogate", "half a pair", None), "\udfff")
    assert "\\udfff" in draw([reject], plain())


def test_long_text_is_shortened_unless_asked_for() -> None:
    view = RowView("a", 0, 1, (sample(("masked", "x" * 5000, 2)),))
    assert "…4,500 more characters…" in "\n".join(draw([view], plain()))
    assert "x" * 5000 in "\n".join(draw([view], plain(), full=True))


def test_pieces_follow_labels_and_split_characters_stay_whole() -> None:
    chunks = {1: b"\xe8\xaf", 2: b"\x8d", 3: b"<end>", 4: b"q"}
    row = {"input_ids": [4, 1, 2, 3, 3], "labels": [-100, 1, 2, 3, -100]}
    view = sample_view(0, row, frozenset({3}), lambda ids: [chunks[i] for i in ids])
    assert [(p.kind, p.text, p.tokens) for p in view.pieces] == [
        ("masked", "q", 1),
        ("trained", "词", 2),
        ("terminator", "<end>", 1),
        ("masked", "<end>", 1),
    ]
    assert (view.tokens, view.trained, view.terminators) == (5, 3, 1)
    assert [view.text(i, i + 1) for i in range(5)] == ["q", "", "词", "<end>", "<end>"]
    assert [token.text for token in view.sequence(2, 9)] == ["词", "<end>", "<end>"]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("form", [{"ids": True}, {"side_by_side": True}])
def test_rows_of_any_script_fit_the_terminal(
    form: dict[str, bool], width: int, language: str, tmp_path: Path
) -> None:
    """Headings with long paths too; colours add no columns and nothing of the data is a code."""
    texts = [
        "你好，世界。" * 40,
        "مرحبا بكم في الاختبار " * 20,
        "👩‍👩‍👧‍👦 🇳🇴 e\u0301",
        "\x1b[31m\u202e\x00",
        "x" * 5000,
    ]
    rows = [{"messages": [_said("user", text), _said("assistant", text)]} for text in texts]
    place = tmp_path / "a directory whose name is long enough to reach" / "beyond.jsonl"
    place.parent.mkdir()
    place.write_text("\n".join(map(json.dumps, [*rows, {"messages": []}])), "utf-8")
    shown = turnmill.show(place, tokenizer=DEMO / "tokenizer", n=6, **form)
    for colour in (False, True):
        console = Terminal(io.StringIO(), colour, min(width, 100), False, language, width)
        text = re.sub(r"\x1b\[[0-9;]*m", "", shown.draw(console))
        lines = [line for line in text.split("\n") if str(tmp_path) not in line]
        assert max(map(columns_of, lines)) <= (width if "side_by_side" in form else console.width)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text)


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def test_the_end_of_a_run_fits_the_terminal(tmp_path: Path) -> None:
    row = {"messages": [{"role": role, "content": "Hi"} for role in ("user", "assistant")]}
    stop = ["<|im_end|>", "<|endoftext|>", "<|im_start|>"]
    run = turnmill.prepare([row], tmp_path / "out", tokenizer=DEMO / "tokenizer", stop=stop)
    lines = run.summary(plain(60))
    start = next(i for i, line in enumerate(lines) if line.startswith("ends in"))
    assert all(columns_of(line) <= 60 for line in lines[start : start + 3])
    told = " ".join(" ".join(lines[start:]).split())
    assert told.startswith("ends in <|im_end|> (2); serving stops on <|im_end|> (2), <|endoftext|>")
