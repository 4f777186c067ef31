"""The report: it says what is so, loads nothing, keeps hostile rows inert and fits every screen."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import turnmill
from browser import Spoken, look, needs_chromium, tab
from turnmill.cli import main

DEMO = Path(turnmill.__file__).parent / "demo"
TOKENIZER = DEMO / "tokenizer"
HOSTILE = [
    "<script>window.hacked = true; document.title = 'hacked'</script>",
    "<img src=x onerror=\"window.hacked = true\"><svg onload='window.hacked = true'>",
    "</p></body><style>* { display: none }</style>{{ 7 * 7 }}{% raw %}",
    "\u202etxet desrever\u202c \u2066isolated\u2069 \x1b[31mred\x00",
    "مرحبا بكم في الاختبار 123 abc شكرا",
    "你好，世界。这是一个没有空格的长句子，" * 40,
    "x" * 100_000,
    "👩‍👩‍👧‍👦 🇳🇴 e\u0301",
]


def conversation(prompt: str, answer: str) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": prompt},
            {"role": "assistant", "content": answer},
        ]
    }


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("report")
    model = shutil.copytree(TOKENIZER, place / "model")
    turnmill.prepare(
        str(DEMO / "data"), place / "demo", tokenizer=model, max_length=200, pack=256, report=True
    )
    rows = [conversation(text, text) for text in HOSTILE]
    rows += [conversation(HOSTILE[0], "")]
    rows += [{"messages": [{"role": HOSTILE[0], "content": HOSTILE[1]}]}]
    rows += [conversation("\ud800", "half of a pair")]
    rows += [{"messages": conversation(f"{i}?", f"{i}.")["messages"] * 20} for i in range(3)]
    text = "\n".join(json.dumps(row) for row in rows)
    source = place / "<b>hostile<b> & \u202e.jsonl"
    source.write_text(text, "utf-8")
    turnmill.prepare(str(source), place / "hostile", tokenizer=model)
    turnmill.report(place / "hostile", samples=20)
    return {name: place / name for name in ("demo", "hostile")}


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def test_it_says_what_the_run_record_says(outputs: dict[str, Path]) -> None:
    page = Page(outputs["demo"] / "report.html")
    record = json.loads((outputs["demo"] / "turnmill.json").read_text("utf-8"))
    totals = record["totals"]
    assert f"{totals['rows_written']} of {totals['rows']} rows are written" in page.text
    for rule, number in totals["rejected"].items():
        assert re.search(rf"left out: {rule} {number}\b", page.text), rule
    for rule in totals["rules"]:
        assert f"rule-{rule}" in {attributes.get("id") for _, attributes in page.tags}
        assert f": {rule} " in page.text, f"a sample of {rule}"
    lost = f"turns were left out: {totals['lost_turns']}, with {totals['lost_tokens']} tokens"
    assert lost in page.text
    assert "tokens are trained (" in page.text
    assert "the answers, each with its end" in page.text
    long = totals["rejected"]["overlong-sample"]
    assert f"Rows that were left out because they are too long: {long}." in page.text
    assert f"{totals['tokens']:,}" in page.text
    assert "packs of 256 tokens" in page.text
    assert record["facts"]["tokenizer"]["sha256"] in page.text
    rejects = [tag for tag in page.tags if tag[1].get("class") == "raw"]
    assert rejects, "the raw row stands beside"
    assert "as-table" not in page.text


@pytest.mark.parametrize("name", ["demo", "hostile"])
def test_nothing_is_loaded_and_nothing_runs(outputs: dict[str, Path], name: str) -> None:
    page = Page(outputs[name] / "report.html")
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "img", "iframe", "object", "form", "base"}
        for key, value in attributes.items():
            assert not key.startswith("on"), (tag, key)
            assert key not in {"src", "style"}
            assert key != "href" or str(value).startswith("#"), value
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    anchors = {str(a["href"])[1:] for tag, a in page.tags if tag == "a"}
    assert anchors <= set(ids)
    assert (outputs[name] / "report.html").stat().st_size < 3_000_000


def test_hostile_text_is_text(outputs: dict[str, Path]) -> None:
    page = Page(outputs["hostile"] / "report.html")
    raw = (outputs["hostile"] / "report.html").read_text("utf-8")
    assert HOSTILE[0] in page.text
    assert HOSTILE[0] not in raw
    assert "{{ 7 * 7 }}" in page.text
    assert "lone-surrogate" in page.text
    assert '"\\ud800"' in page.text, "half of a surrogate pair cannot be written"
    assert not set("\u202e\u202c\u2066\u2069\x1b\x00") & set(raw)
    assert "…" in page.text


def test_without_text_there_is_none_of_the_data(outputs: dict[str, Path], tmp_path: Path) -> None:
    made = turnmill.report(outputs["hostile"], tmp_path / "shared.html", text=False, samples=20)
    page = Page(tmp_path / "shared.html")
    for part in ("window.hacked", "isolated", "مرحبا", "你好", "xxxx", "7 * 7", "👩"):
        assert part not in made.html
    assert "Texts are left out of this page." in page.text
    assert "unknown-role" in page.text
    assert "tokens," in page.text


def test_prompts_do_not_claim_that_turns_end(tmp_path: Path) -> None:
    rows = [conversation(f"{i}?", f"{i}.") for i in range(3)]
    turnmill.prepare(rows, tmp_path / "out", tokenizer=TOKENIZER, train_on="none", report=True)
    page = Page(tmp_path / "out" / "report.html")
    assert "Nothing is trained, so no turn has to end." in page.text
    assert "Every trained turn ends" not in page.text
    assert "Each trained turn was verified" not in page.text


def test_the_same_seed_draws_the_same(outputs: dict[str, Path], tmp_path: Path) -> None:
    pages = [
        turnmill.report(outputs["demo"], tmp_path / "a.html", seed=seed).html for seed in (1, 1, 2)
    ]
    assert pages[0] == pages[1] != pages[2]


def test_the_command(outputs: dict[str, Path], tmp_path: Path, capsys: Any) -> None:
    target = tmp_path / "page.html"
    assert main(["report", str(outputs["demo"]), "-o", str(target), "--no-text", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["report"] == str(target)
    assert said["stats"]["totals"]["rows"] > 300
    assert target.is_file()
    for directory in (".", str(tmp_path)):
        assert main(["report", str(outputs["demo"]), "-o", directory]) == 1
        said_of_it = capsys.readouterr().err.lower()
        assert "is a directory" in said_of_it
        assert "report this" not in said_of_it
    assert main(["report"]) == 2
    assert main(["report", str(tmp_path)]) == 1
    with pytest.raises(turnmill.ArgumentError):
        turnmill.report(outputs["demo"], samples=1000)
    with pytest.raises(turnmill.ArgumentError):
        turnmill.report(outputs["demo"], language="xx")


def test_an_output_whose_tokenizer_and_inputs_are_gone(tmp_path: Path) -> None:
    model = shutil.copytree(TOKENIZER, tmp_path / "model")
    rows = shutil.copy(DEMO / "data" / "messages.jsonl", tmp_path / "rows.jsonl")
    turnmill.prepare(str(rows), tmp_path / "out", tokenizer=model)
    Path(rows).unlink()
    model.rename(tmp_path / "moved")
    (tmp_path / "out" / "run.json").unlink()
    turnmill.report(tmp_path / "out")
    page = Page(tmp_path / "out" / "report.html")
    assert "The tokenizer of the output is not where it was" in page.text
    assert "The row cannot be read any more" in page.text
    turnmill.report(tmp_path / "out", tokenizer=tmp_path / "moved")
    page = Page(tmp_path / "out" / "report.html")
    assert "drawn at random" in page.text


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "width", "dark", "scripts"),
    [
        ("demo", 400, True, False),
        ("hostile", 400, False, True),
        ("hostile", 900, True, False),
        ("hostile", 1600, False, False),
    ],
)
def test_in_a_browser(
    outputs: dict[str, Path], name: str, width: int, dark: bool, scripts: bool
) -> None:
    page = outputs[name] / "report.html"
    seen = look(page.as_uri(), width=width, dark=dark, scripts=scripts)
    assert seen.inner == width
    assert seen.scroll <= seen.inner, "the page is wider than the screen"
    assert seen.cut == []
    assert seen.dark == dark
    assert seen.faint == []
    assert seen.errors == []
    assert not seen.hacked
    assert len(seen.headings) == 9


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(400, True), (1600, False)])
def test_in_a_browser_in_chinese(outputs: dict[str, Path], width: int, dark: bool) -> None:
    place = outputs["hostile"]
    turnmill.report(place, place / "zh.html", language="zh")
    seen = look((place / "zh.html").as_uri(), width=width, dark=dark, scripts=False)
    assert seen.scroll <= seen.inner == width
    assert seen.cut == []
    assert seen.faint == []
    assert seen.errors == []
    assert len(seen.headings) == 9


@needs_chromium
@pytest.mark.slow
def test_a_screen_reader_is_told_everything(outputs: dict[str, Path]) -> None:
    with tab((outputs["demo"] / "report.html").as_uri(), scripts=False) as page:
        told = page.spoken()
    roles = [one.role for one in told]
    for landmark in ("banner", "main", "navigation", "contentinfo"):
        assert roles.count(landmark) == 1, landmark
    levels = [one.level or 0 for one in told if one.role == "heading"]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), levels
    named = {"image", "region", "article", "navigation", "link", "heading", "DisclosureTriangle"}
    for one in told:
        assert one.role not in named or one.name.strip(), one
    charts = [one.name for one in told if one.role == "image"]
    assert any("Samples by length in tokens" in name for name in charts)
    assert {"columnheader", "rowheader"} <= set(roles)
    terminators = [one for one in told if one.name.strip() == "terminator:"]
    assert len(terminators) > 10, "a terminator is told apart by more than its colour"
    assert Spoken("heading", "Does every turn end?", 2) in told


@needs_chromium
@pytest.mark.slow
def test_it_is_read_with_the_keyboard_alone(outputs: dict[str, Path]) -> None:
    where = "document.activeElement"
    with tab((outputs["demo"] / "report.html").as_uri(), scripts=False) as page:
        page.press("Tab", 9)
        assert page.value(f"{where}.className") == "skip"
        assert page.value(f"{where}.getBoundingClientRect().x") >= 0, "the skip link is seen"
        page.press("Enter", 13)
        assert page.value("location.hash") == "#report"
        page.press("Tab", 9)
        assert page.value(f"document.querySelector('main').contains({where})")
        stops = set()
        for _ in range(400):
            page.press("Tab", 9)
            stops.add(page.value(f"{where}.tagName"))
            outline = page.value(f"getComputedStyle({where}).outlineStyle")
            assert outline != "none" or page.value(f"{where}.tagName") == "BODY"
            if page.value(f"{where}.tagName") == "SUMMARY":
                break
        assert "SUMMARY" in stops
        assert page.value(f"{where}.parentElement.open") is False
        page.press("Enter", 13)
        assert page.value(f"{where}.parentElement.open") is True


_FOLDED = """[...document.querySelectorAll("details *")].filter(
  (element) => !element.checkVisibility({contentVisibilityAuto: true})
).length"""


@needs_chromium
@pytest.mark.slow
def test_on_paper_everything_is_unfolded_and_fits(outputs: dict[str, Path]) -> None:
    with tab((outputs["hostile"] / "report.html").as_uri(), width=700, paper=True) as page:
        seen = page.seen()
        hidden = page.value(_FOLDED)
        navigation = page.value("getComputedStyle(document.querySelector('nav')).display")
        printed = page.printed()
    assert seen.scroll <= seen.inner
    assert seen.cut == []
    assert seen.faint == []
    assert hidden == 0
    assert navigation == "none"
    assert printed.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type ?/Page\b", printed)) < 100


def test_a_generation_test_is_shown(tmp_path: Path) -> None:
    place = tmp_path / "out"
    turnmill.prepare(DEMO / "data" / "messages.jsonl", place, tokenizer=DEMO / "tokenizer")
    turnmill.report(place)
    assert "Does a model stop?" not in Page(place / "report.html").text
    tested = turnmill.stop_test(place, lambda prompts, _: [[2]] * len(prompts), prompts=40)
    file = tmp_path / "tested.json"
    file.write_text(json.dumps(tested.to_dict()), "utf-8")
    assert main(["report", str(place), "--stop-test", str(file), "--quiet"]) == 0
    page = Page(place / "report.html")
    assert "Does a model stop?" in page.text
    assert "40 prompts of this data were answered, and 100 % of the answers stop" in page.text
    assert turnmill.report(place, stop_test=tested).html == (place / "report.html").read_text()


def test_thousands_of_inputs_stay_readable(tmp_path: Path) -> None:
    for number in range(300):
        rows = [conversation(f"{number}?", "Yes.")] * (3 if number == 211 else 1)
        (tmp_path / f"{number:03}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    turnmill.prepare(str(tmp_path / "*.jsonl"), tmp_path / "out", tokenizer=TOKENIZER)
    turnmill.report(tmp_path / "out")
    page = Page(tmp_path / "out" / "report.html")
    assert "200 more are counted in all sums" in page.text
    assert "All 302 rows are written." in page.text
    assert "211.jsonl messages 3 0 3" in page.text, "the largest is among those that are shown"
    assert (tmp_path / "out" / "report.html").stat().st_size < 500_000
