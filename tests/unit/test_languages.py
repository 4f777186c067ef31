"""Chinese beside English: complete tables, the locale as gettext reads it, JSON as it was."""

from __future__ import annotations

import ast
import io
import json
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import turnmill
from fixtures import ROOT
from turnmill import cli
from turnmill._terminal import columns_of, terminal, wrap
from turnmill.check import files
from turnmill.check.document import page
from turnmill.languages import LANGUAGES, locale_language, page_texts, rule_texts, sentence, table
from turnmill.report.texts import TEXTS
from turnmill.rules import rules
from turnmill.stats.histogram import percentile_name
from turnmill.stop_test.measures import MEASURES

DEMO = Path(turnmill.__file__).parent / "demo"
PACKAGE = Path(turnmill.__file__).parent

CHOSEN_AT_RUN_TIME = {
    *("ok", "not ok", "next", "note", "error", "warning", "info"),
    *("severity", "rule", "rows", "count", "what it means"),
    *(f"{name} {{number}}" for name in ("row", "line", "document", "turn", "message")),
    *map(percentile_name, (0, 50, 100)),
    *("mean", "source", "schema", "rejected", "samples", "tokens", "trained"),
    *("of the answers", "share", "interval", "data", "before", "of", "no stop"),
    *(name.replace("_", " ") for name in MEASURES),
    *(files.AGAIN, files.MISSING, files.CHANGED, files._LOADED),
}
"""Sentences that the code does not name where it says them."""


def said() -> Iterator[str]:
    """Every sentence that the code gives to `Terminal.say`."""
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        texts = named_texts(tree)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called == "say" and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value
            reasons = [word.value for word in node.keywords if word.arg == "reason"]
            if called == "NextStep":
                reasons.append(node.args[2])
            for reason in reasons if called in {"NextStep", "replace"} else []:
                if isinstance(reason, ast.Constant):
                    yield reason.value
                elif isinstance(reason, ast.Name):
                    yield from texts[reason.id]


def named_texts(tree: ast.Module) -> dict[str, list[str]]:
    """The texts that each name of a module stands for."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            values = [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
            texts = [value for value in values if isinstance(value, str)]
            found.setdefault(node.targets[0].id, []).extend(texts)
    return found


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def quoted(text: str) -> set[str]:
    return set(text.split("`")[1::2])


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_every_rule_has_its_texts_and_quotes_the_same(language: str) -> None:
    texts = rule_texts(language)
    assert list(texts) == list(rules()), "the rules in the order of the core"
    for name, rule in rules().items():
        assert set(texts[name]) == {"meaning", "cause", "cure"}
        for key, text in texts[name].items():
            english = getattr(rule, key)
            assert text.strip(), name
            assert quoted(text) == quoted(english), (name, key)
            assert text.endswith("。") == english.endswith("."), (name, key)
            assert any("\u4e00" <= character <= "\u9fff" for character in text), (name, key)


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_every_sentence_is_translated_and_none_is_left_over(language: str) -> None:
    sentences = table(language, "sentences")
    assert {*said(), *CHOSEN_AT_RUN_TIME} == set(sentences)
    for english, text in sentences.items():
        assert names_in(english) == names_in(text), english


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_every_text_of_the_pages_is_translated(language: str) -> None:
    texts = page_texts(language)
    assert list(texts) == list(TEXTS), "the keys in the order of English"
    for key, english in TEXTS.items():
        assert names_in(english) == names_in(texts[key]), key


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW"}, "zh"),
        ({"LANG": "zh_CN.UTF-8@pinyin"}, "zh"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8", "LANGUAGE": "zh"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_CTYPE": "en_US.UTF-8"}, "zh"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "fr:zh_CN:en"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en"}, "en"),
        ({"LANGUAGE": "zh"}, "en"),
    ],
)
def test_the_locale_decides_as_gettext_does(
    environment: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert locale_language() == language
    assert terminal(io.StringIO()).language == language


def test_what_has_no_translation_stays_english() -> None:
    assert sentence("zh", "nothing like it") == "nothing like it"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pages_of_rules_are_the_ones_in_the_documents(language: str) -> None:
    name = "rules.md" if language == "en" else f"rules.{language}.md"
    assert (ROOT / "docs" / name).read_text("utf-8") == page(language)


def test_the_closing_table_is_chinese(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    words = ["prepare", str(DEMO / "data" / "messages.jsonl"), "-o", "out"]
    words += ["--tokenizer", str(DEMO / "tokenizer"), "--no-progress"]
    assert cli.main([*words, "--lang", "zh"]) == 0
    chinese = capsys.readouterr().err
    assert chinese.startswith(
        "通过：160 行中有 156 行已写入，每个参与训练的轮次都以 <|im_end|> (2)"
    )
    for words_of_it in ("读入行数", "剔除：invalid-json", "已计数并写入"):
        assert words_of_it in chinese
    assert max(columns_of(line) for line in chinese.splitlines()) <= 80
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert cli.main(words) == 0
    again = capsys.readouterr().err
    assert again.splitlines()[0] == chinese.splitlines()[0]


def test_findings_are_chinese_and_their_json_is_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["check", str(DEMO / "cache" / "unterminated.jsonl")]
    words += ["--tokenizer", str(DEMO / "tokenizer")]
    assert cli.main([*words, "--json"]) == 1
    english = capsys.readouterr().out
    assert cli.main([*words, "--json", "--lang", "zh"]) == 1
    assert capsys.readouterr().out == english
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert cli.main([*words, "--json"]) == 1
    assert capsys.readouterr().out == english
    assert cli.main(words) == 1
    chinese = capsys.readouterr().out
    assert chinese.startswith("未通过：100 % 的行会教模型不停止")
    assert rule_texts("zh")["missing-terminator"]["meaning"] in chinese
    assert cli.main([*words, "--lang", "en"]) == 1
    assert capsys.readouterr().out.startswith("not ok: ")


@pytest.mark.parametrize("command", ["show", "stats", "stop-test", "check", "pack", "export"])
def test_other_commands_are_chinese(
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    data = DEMO / "data" / "messages.jsonl"
    turnmill.prepare(data, "out", tokenizer=DEMO / "tokenizer", max_length=100)
    if command == "stop-test":
        result = turnmill.stop_test("out", lambda prompts, _: [[9]] * len(prompts), prompts=20)
        said = result.draw(terminal(io.StringIO(), language="zh"))
    else:
        more = {
            "show": ["out", "--random", "3"],
            "check": ["--files", "out"],
            "pack": ["out", "--length", "256"],
            "export": ["out", "--to", "trl", "-o", "made"],
        }.get(command, ["out"])
        assert cli.main([command, *more, "--lang", "zh"]) == 0
        said = "".join(capsys.readouterr())
    words = {
        "show": "个轮次以 <|im_end|> 结尾",
        "stats": "样本中参与训练的占比",
        "stop-test": "未通过：20 个回答中有 0 % 会停止",
        "check": "个文件与写入时一致",
        "pack": "填充率",
        "export": "max_length 默认为 1024，会截断样本",
    }
    assert words[command] in said
    drawn = [line for line in said.splitlines() if not re.search(r"^    |/", line)]
    if command != "show":  # what the data says is as wide as it is
        assert max(map(columns_of, drawn)) <= 80


def test_a_rule_is_explained_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--explain", "missing-terminator", "--lang", "zh"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("missing-terminator (错误)\n")
    assert "原因：从未加上停止符" in said
    assert cli.main(["check", "--explain", "missing-terminator", "--json", "--lang", "zh"]) == 0
    assert json.loads(capsys.readouterr().out)["severity"] == "error"


def test_a_report_is_chinese_by_flag_and_by_locale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["prepare", str(DEMO / "data" / "messages.jsonl"), "-o", "out", "--report"]
    words += ["--tokenizer", str(DEMO / "tokenizer"), "--quiet"]
    assert cli.main([*words, "--lang", "zh"]) == 0
    page = Path("out", "report.html")
    by_prepare = page.read_text("utf-8")
    assert '<html lang="zh">' in by_prepare
    assert "160 行中有 156 行已写入" in by_prepare
    assert rule_texts("zh")["unknown-role"]["meaning"] in by_prepare
    assert cli.main(["report", "out"]) == 0
    assert "156 of 160 rows are written" in page.read_text("utf-8")
    assert cli.main(["report", "out", "--lang", "zh"]) == 0
    assert page.read_text("utf-8") == by_prepare
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert turnmill.report("out").html == by_prepare
    assert "report" in capsys.readouterr().err


def test_an_unknown_language_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--explain", "all", "--lang", "fr"]) == 2
    assert "--lang takes en, zh" in capsys.readouterr().err


def code_of(markdown: str) -> set[str]:
    """The lines of the examples, without their comments."""
    blocks = re.findall(r"^```\w+\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)
    return {line.partition("#")[0].strip() for block in blocks for line in block.splitlines()}


def figures_of(markdown: str) -> set[str]:
    """The cells of tables that are figures."""
    cells = {cell.strip() for cell in re.findall(r"(?<=\|)[^|\n]+(?=\|)", markdown)}
    return {cell for cell in cells if re.fullmatch(r"[\d.]+(?: MB/s| %)?", cell)}


def test_the_chinese_readme_says_nothing_that_the_english_one_does_not() -> None:
    english, chinese = (ROOT / name for name in ("README.md", "README.zh.md"))
    texts = english.read_text("utf-8"), chinese.read_text("utf-8")
    assert figures_of(texts[1]) == figures_of(texts[0])
    assert code_of(texts[1]) <= code_of(texts[0])
    for link in re.findall(r"\]\(((?!https)[^)#]+)", texts[1]):
        assert (ROOT / link).exists(), link


@pytest.mark.parametrize("width", [8, 20, 33])
def test_chinese_is_wrapped_between_characters(width: int) -> None:
    text = "全部 156 行已写入，每个参与训练的轮次都以“停止”结尾（2.5 %），列在 out/a.parquet。"
    lines = wrap(text, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(columns_of(line) <= max(width, len("out/a.parquet。") + 1) for line in lines)
    assert not any(line[0] in "，。）、”" for line in lines)
    assert not any(line[-1] in "（“" for line in lines)
