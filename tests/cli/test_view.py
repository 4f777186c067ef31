"""The view: it pages through everything, finds what is asked for, and lets nobody else in."""

from __future__ import annotations

import itertools
import json
import random
import re
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq
import pytest

import turnmill
from browser import Tab, look, needs_chromium, tab
from turnmill.inputs import lines
from turnmill.inputs.find import find_inputs
from turnmill.inputs.rows import rows_in
from turnmill.output.reader import Output
from turnmill.report.contents import gather
from turnmill.view import pages as view_pages
from turnmill.view.given import GivenListing
from turnmill.view.listing import LEFT_OUT, Filter, Listing, holds
from turnmill.view.masks import Marked, below
from turnmill.view.pages import find
from turnmill.view.refused import RefusedListing
from turnmill.view.server import View
from turnmill.view.written import WrittenListing

DEMO = Path(turnmill.__file__).parent / "demo"
TOKENIZER = DEMO / "tokenizer"


def conversation(answer: str, _: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": answer}]
    return {"messages": messages}


def pair(answer: str, other: str) -> dict[str, Any]:
    return {"prompt": "?", "chosen": answer, "rejected": other}


SCHEMAS = {"messages": conversation, "preference": pair}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("view")
    shutil.copytree(TOKENIZER, place / "model")
    turnmill.prepare(str(DEMO / "data"), place / "out", tokenizer=place / "model", format="parquet")
    return place / "out"


@pytest.fixture(scope="module")
def written(output: Path) -> WrittenListing:
    return WrittenListing(Output.open(output), turnmill.Tokenizer(TOKENIZER))


@pytest.fixture(scope="module")
def served(output: Path) -> Iterator[View]:
    with turnmill.view(output) as made:
        yield made


def get(url: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def numbers(listing: Listing, wanted: Filter) -> list[int]:
    """All rows that pass, page by page."""
    found: list[int] = []
    at = 0
    while True:
        page = find(listing, wanted, at)
        found += page.numbers
        if page.next is None:
            return found
        at = page.next


def entries(output: Path) -> list[dict[str, Any]]:
    shards = json.loads((output / "turnmill.json").read_text())["shards"]
    return [row for shard in shards for row in pq.read_table(output / shard["index"]).to_pylist()]


def test_every_sample_and_every_reject_has_a_page(output: Path, written: WrittenListing) -> None:
    listed = entries(output)
    rejects = pq.read_table(output / "rejects.parquet").to_pylist()
    assert numbers(written, Filter()) == list(range(len(listed) + len(rejects)))
    for number in (0, 1, 100, len(listed) - 1):
        row = written.row(number)
        assert (row.source, row.row) == (listed[number]["source"], listed[number]["row"])
        assert row.samples[0].tokens == listed[number]["length"]
    row = written.row(len(listed))
    assert row.reject is not None
    assert row.reject[0] == rejects[0]["code"]


def test_filters(output: Path, written: WrittenListing) -> None:
    listed = entries(output)
    source = written.sources[1]
    right = [i for i, e in enumerate(listed) if e["source"] == source and 50 <= e["length"] <= 90]
    assert numbers(written, Filter(source=source, least=50, most=90)) == right
    assert numbers(written, Filter(rule=LEFT_OUT)) == list(range(len(listed), len(listed) + 6))
    (null,) = numbers(written, Filter(rule="null-content"))
    assert written.row(null).reject == ("null-content", "`output` is null", None)
    for number in numbers(written, Filter(rule="boundary-merge")):
        assert "boundary-merge" in written.whole_row(number).notes
    assert numbers(written, Filter(source="elsewhere")) == []


def test_a_text_is_found_in_the_text_of_samples(written: WrittenListing) -> None:
    wanted = Filter(text="Sendai")
    right = [
        number
        for number in range(written.candidates(Filter())[-1] + 1)
        if any("Sendai" in sample.text(0, sample.tokens) for sample in written.row(number).samples)
    ]
    assert right
    assert numbers(written, wanted) == right


@pytest.mark.parametrize("format_", ["arrow", "parquet"])
@pytest.mark.parametrize("schema", ["messages", "preference"])
def test_a_search_finds_what_the_texts_of_rows_hold(
    tmp_path: Path, format_: Literal["arrow", "parquet"], schema: str
) -> None:
    """Against the text of one sample after another, with every filter."""
    made = random.Random(3)
    answers = ["".join(made.choices("ab 你好é🎉\n", k=made.randrange(60))) for _ in range(300)]
    rows = [SCHEMAS[schema](answer, answers[i - 1]) for i, answer in enumerate(answers)]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    turnmill.prepare(file, tmp_path / "out", tokenizer=TOKENIZER, format=format_, shuffle=True)
    listing = WrittenListing(Output.open(tmp_path / "out"), turnmill.Tokenizer(TOKENIZER))
    every = range(len(listing.candidates(Filter())))
    written = [number for number in every if listing.row(number).samples]
    assert written
    for text in ("ab", "你", "🎉b", "é", "<|im_end|>", " \n", "\nassistant\na", "zzz"):
        for least in (None, 40):
            right = [
                number
                for number in written
                if holds(listing.row(number), text)
                and sum(sample.tokens for sample in listing.row(number).samples) >= (least or 0)
            ]
            found = numbers(listing, Filter(text=text, least=least))
            assert [n for n in found if n in written] == right, (text, least)


def test_a_row_whose_samples_were_shuffled_shows_no_other_rows(tmp_path: Path) -> None:
    def turn(number: int) -> list[dict[str, str]]:
        answer = {"role": "assistant", "content": "Yes.", "reasoning_content": "Is it?"}
        return [{"role": "user", "content": f"{number}: ?"}, answer]

    rows = [{"messages": turn(number) * 4} for number in range(12)]
    turnmill.prepare(
        rows,
        tmp_path / "out",
        tokenizer=TOKENIZER,
        template="qwen3",
        stop=["<|im_end|>"],
        history="expand",
        shuffle=True,
    )
    output = Output.open(tmp_path / "out")
    listing = WrittenListing(output, turnmill.Tokenizer(TOKENIZER))
    listed = entries(tmp_path / "out")
    assert len(listed) > 12
    for number, entry in enumerate(listed):
        row = listing.whole_row(number)
        assert row.row == entry["row"]
        for sample in row.samples:
            assert sample.text(0, sample.tokens).startswith(f"<|im_start|>user\n{row.row}: ")
    for shown in gather(output, samples=len(listed)).rows:
        (sample,) = shown.row.samples
        assert sample.text(0, sample.tokens).startswith(f"<|im_start|>user\n{shown.row.row}: ")


def test_a_reject_is_found_by_its_reason(written: WrittenListing) -> None:
    (number,) = numbers(written, Filter(text="`output` is null"))
    assert written.row(number).reject == ("null-content", "`output` is null", None)


def test_numbers_of_a_mask_are_found_without_a_list() -> None:
    made = np.random.default_rng(5)
    for length, share in ((0, 1), (10, 0), (200_000, 0.3), (65_536, 1), (131_073, 0.0001)):
        mask = made.random(length) < share
        marked, right = Marked(mask), np.flatnonzero(mask).tolist()
        assert len(marked) == len(right)
        for place in {0, 1, len(right) // 2, len(right) - 1} & set(range(len(right))):
            assert marked[place] == right[place]
            limit = right[place] + 70_000
            assert below(marked, place, limit) == [n for n in right[place:] if n < limit]
        assert list(marked[1:4]) == right[1:4]
        with pytest.raises(IndexError):
            marked[len(right)]
    assert list(below(range(10), 3, 7)) == [3, 4, 5, 6]
    assert list(below(range(10), 8, 7)) == []
    assert below([1, 5, 3, 9], 1, 6) == [5, 3]


def test_a_long_search_goes_on_in_the_next_answer(
    served: View, written: WrittenListing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_pages, "_SECONDS", 0.0)
    status, page = get(served.url + "?text=nowhere%20to%20be%20found")
    assert status == 200
    assert 'http-equiv="refresh"' in page
    assert re.search(r"looked at \d+ of 365", page)
    assert numbers(written, Filter(text="nowhere to be found")) == []


@pytest.mark.parametrize("kind", ["jsonl", "array", "parquet", "gzip", "memory"])
def test_raw_rows_of_any_source(tmp_path: Path, kind: str, monkeypatch: Any) -> None:
    from turnmill.inputs import files

    monkeypatch.setattr(files, "PART_BYTES", 4000)
    monkeypatch.setattr(files, "HASHED_BYTES", 1000)
    lines = (DEMO / "data" / "alpaca.jsonl").read_text("utf-8").splitlines()[:60]
    rows = [json.loads(line) for line in lines]
    path = tmp_path / "rows.json"
    data: Any = str(path)
    if kind == "jsonl":
        path.write_text("\n\n".join(map(json.dumps, rows)))
    elif kind == "array":
        path.write_text(json.dumps(rows))
    elif kind == "gzip":
        import gzip

        path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    elif kind == "parquet":
        import pyarrow as pa

        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=7)
    else:
        data = rows
    listing = GivenListing(data, turnmill.Recipe(tokenizer=str(TOKENIZER)))
    every = numbers(listing, Filter())
    assert every == list(range(60))
    for number in (0, 29, 59, 3):
        view = listing.row(number)
        assert view.row == number
        shown = turnmill.show(data, tokenizer=TOKENIZER, row=number)[0]
        assert view.samples == shown.samples
        assert view.reject == shown.reject
    assert numbers(listing, Filter(rule=LEFT_OUT)) == [30]
    assert numbers(listing, Filter(source=listing.sources[0])) == every


@pytest.mark.parametrize("step", [1, 100, 1000])
@pytest.mark.parametrize(
    ("between", "plain"), [("\n", True), ("\r\n", True), ("\n\n", False), ("\n \t\n", False)]
)
@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n  "])
def test_lines_are_entered_anywhere_or_not_at_all(
    tmp_path: Path, between: str, plain: bool, end: str, step: int, monkeypatch: Any
) -> None:
    monkeypatch.setattr(lines, "_STEP", step)
    texts = [json.dumps({"messages": [], "n": n, "pad": "é" * (n * 7 % 50)}) for n in range(60)]
    file = tmp_path / "rows.jsonl"
    file.write_text(between.join(texts) + end, "utf-8", newline="")
    (input_,) = find_inputs(str(file), None)
    _, (part,) = input_.survey(threading.Event())
    every = list(rows_in(input_, part))
    assert len(every) == 60
    rows = lines.counted_rows(input_, part)
    fine = lines.fine_parts(input_, part, 60)
    if not plain or end not in {"", "\n"}:
        assert rows is None
        assert fine is None
        return
    assert rows == 60
    assert fine is not None
    assert len(fine) > 1 or step > 500
    assert [row for one in fine for row in rows_in(input_, one)] == every


def test_rows_that_another_tool_tokenized() -> None:
    rows = [{"input_ids": [1, 5, 6, 2], "labels": [-100, -100, 6, 2]}] * 3
    listing = GivenListing(rows, turnmill.Recipe(tokenizer=str(TOKENIZER)))
    assert listing.row(1).samples[0].terminators == 1
    assert listing.rules == []


def test_a_row_page_tells_id_label_and_span_of_each_token(output: Path, served: View) -> None:
    status, page = get(served.url + "row/3")
    assert status == 200
    sample = Output.open(output).sample(3).samples[0]
    about = re.findall(r'title="(\d+): id (\d+), label (-?\d+), characters (\d+) to (\d+)"', page)
    assert [int(found[1]) for found in about] == sample["input_ids"]
    assert [int(found[2]) for found in about] == sample["labels"]
    text = "".join(
        part.decode() for part in turnmill.Tokenizer(TOKENIZER)._token_bytes(sample["input_ids"])
    )
    shown = [
        unescape(part) for part in re.findall(r'-text" title="[^"]*">(.*?)</span>', page, re.S)
    ]
    for (_, _, _, start, end), part in zip(about, shown, strict=True):
        assert text[int(start) : int(end)] == part
    assert "The row as it was read" in page


def test_a_run_that_wrote_nothing_shows_its_rejects(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": "?"}]}] * 14 + [{"messages": []}]
    with pytest.raises(turnmill.DataError):
        turnmill.prepare(rows, tmp_path / "out", tokenizer=TOKENIZER)
    listing = RefusedListing(tmp_path / "out")
    assert numbers(listing, Filter()) == list(range(15))
    assert numbers(listing, Filter(rule="no-assistant-turn", text="roles: user")) == list(range(14))
    assert numbers(listing, Filter(least=1)) == []
    with turnmill.view(tmp_path / "out") as made:
        status, page = get(made.url + "?rule=no-assistant-turn")
        assert status == 200
        assert "roles: user" in page
        status, page = get(made.url + "row/14")
        assert status == 200
        assert "/row/13" in page
        assert "/row/15" not in page, "nothing comes after the last row"
        assert "/row/14" in get(made.url + "row/13")[1]
        assert get(made.url + "row/15")[0] == 404


def test_only_the_whole_address_is_answered(served: View) -> None:
    base = served.url.rsplit("/", 2)[0]
    assert get(base)[0] == 403
    assert get(base + "/wrong/")[0] == 403
    assert get(served.url, Host="evil.example:80")[0] == 403
    assert get(served.url + "row/99999999")[0] == 404
    assert get(served.url + "row/../../etc/passwd")[0] == 404
    assert get(served.url + "?at=x")[0] == 404
    assert served.url.startswith("http://127.0.0.1:")
    request = urllib.request.Request(served.url, method="POST", data=b"x")
    with pytest.raises(urllib.error.HTTPError, match="501"):
        urllib.request.urlopen(request, timeout=60)


def test_pages_load_nothing_and_escape_what_is_asked(served: View) -> None:
    attack = '"><script>alert(1)</script>'
    status, page = get(served.url + f"?text={quote(attack)}&rule=left-out")
    assert status == 200
    assert attack not in page
    assert "<script" not in page
    for address in re.findall(r'(?:href|action)="([^"]*)"', page):
        assert address.startswith(("/", "#"))


def test_without_text_there_is_none(output: Path) -> None:
    with turnmill.view(output, text=False) as quiet:
        for place in ("", "row/3", "?rule=left-out"):
            _, page = get(quiet.url + place)
            assert 'class="text"' not in page
            assert "`output` is null" not in page
            assert 'name="text"' not in page
        with turnmill.view(output) as loud:
            assert 'class="text"' in get(loud.url)[1]


def test_in_chinese(output: Path) -> None:
    with turnmill.view(output, language="zh") as made:
        page = get(made.url)[1]
        assert '<html lang="zh">' in page
        assert "筛选" in page
        assert get(made.url + "row/3")[0] == 200


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "width", "dark"),
    [("", 400, True), ("row/3", 400, False), ("?rule=left-out", 1600, True)],
)
def test_in_a_browser(served: View, place: str, width: int, dark: bool) -> None:
    seen = look(served.url + place, width=width, dark=dark, scripts=False)
    assert seen.scroll <= seen.inner
    assert seen.cut == []
    assert seen.faint == []
    assert seen.errors == []


@needs_chromium
@pytest.mark.slow
def test_in_a_browser_in_chinese(output: Path) -> None:
    with turnmill.view(output, language="zh") as chinese:
        page = get(chinese.url)[1]
        seen = look(chinese.url, width=400, scripts=False)
    assert '<html lang="zh">' in page
    assert "turnmill 浏览" in page
    assert seen.scroll <= seen.inner
    assert seen.faint == []
    assert seen.errors == []


@needs_chromium
@pytest.mark.slow
def test_it_is_used_with_the_keyboard_alone(served: View, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the list to a row, through its tokens, and back, with Tab and Enter."""
    monkeypatch.setattr(view_pages, "_SECONDS", 60.0)  # else the page may go on by itself
    with tab(served.url, scripts=False) as page:
        page.press("Tab", 9)
        assert page.value("document.activeElement.className") == "skip"
        follow(page, "number 1")
        assert page.value("location.pathname").endswith("/row/1")
        assert page.value("document.querySelectorAll('.tokens span').length") > 10
        follow(page, "Back to the list")
        assert page.value("document.querySelectorAll('article').length") == view_pages.PAGE_ROWS
        focus(page, lambda: page.value("document.activeElement.name") == "text")
        page.ask("Input.insertText", text="Sendai")
        enter(page)
        assert "text=Sendai" in page.value("location.search")
        assert "Found so far" in page.value("document.querySelector('[role=status]').innerText")


def focus(page: Tab, is_it: Callable[[], bool]) -> None:
    for _ in range(200):
        page.press("Tab", 9)
        if is_it():
            return
    raise AssertionError("Tab does not lead there")


def follow(page: Tab, link: str) -> None:
    focus(page, lambda: page.value("document.activeElement.innerText") == link)
    enter(page)


def enter(page: Tab) -> None:
    page.go(lambda: page.press("Enter", 13))


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize("place", ["", "row/3", "?rule=left-out"])
def test_a_screen_reader_is_told_everything(served: View, place: str) -> None:
    with tab(served.url + place, scripts=False) as page:
        told = page.spoken()
    roles = [one.role for one in told]
    assert roles.count("main") == roles.count("banner") == 1
    levels = [one.level or 0 for one in told if one.role == "heading"]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), levels
    named = {"region", "article", "link", "heading", "textbox", "spinbutton", "combobox", "form"}
    for one in told:
        assert one.role not in {*named, "searchbox", "button", "navigation"} or one.name, one
