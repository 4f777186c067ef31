"""``turnmill parity`` on rows with known differences, and on real ones with none."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

import fixtures
import tiny_tokenizer
import turnmill
from conversations import assistant, user
from turnmill.cli import main
from turnmill.cli import parity as parity_command
from turnmill.errors import TurnmillError
from turnmill.parity.others import AGAINST

TEMPLATES = {"untagged/qwen3": "built-in/qwen3", "llamacpp.Qwen-Qwen3-0.6B": "trl.qwen3_training"}
"""Templates of Qwen3, each with one that has tags."""
CLOSED = "{%- endgeneration %}\n        {{- '\\n' }}"
"""Where the built-in template closes its tag: before the newline that follows the stop token."""


@pytest.fixture(scope="module", params=TEMPLATES)
def plain(request: pytest.FixtureRequest) -> str:
    """A template without tags."""
    return str(request.param)


@pytest.fixture(scope="module")
def tagged(plain: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of the template with tags that belongs to it; they hold the newline of a turn too."""
    path = tmp_path_factory.mktemp("tagged") / "template.jinja"
    source = fixtures.template_text(TEMPLATES[plain])
    assert (CLOSED in source) == plain.startswith("untagged/")
    path.write_text(source.replace(CLOSED, "{{- '\\n' }}{%- endgeneration %}"), "utf-8")
    return str(path)


@pytest.fixture(scope="module")
def tiny(plain: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of bytes with Qwen3's template, which loads at once."""
    return tiny_tokenizer.write(
        tmp_path_factory.mktemp("tiny"),
        ["<|im_start|>", "<|im_end|>"],
        ["<think>", "</think>"],
        template=fixtures.template_text(plain),
        eos_token="<|im_end|>",
    )


def run(
    path: Path, tokenizer: Path, capsys: pytest.CaptureFixture[str], *flags: str, code: int = 0
) -> Any:
    """The result of the command as JSON."""
    words = ["parity", str(path), "--tokenizer", str(tokenizer), "--json"]
    assert main([*words, *flags]) == code
    return json.loads(capsys.readouterr().out)


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.mark.parametrize("name", fixtures.both("qwen3"))
def test_real_rows_are_the_same(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = name in fixtures.SMALL
    rows = fixtures.rows("demo-thoughts-and-calls" if own else "toolrl_think_sft_dev.json")
    data = write(tmp_path / "a.jsonl", *rows)
    tokenizer = fixtures.tokenizer_dir(name)
    found = run(data, tokenizer, capsys, "--against", "transformers", "-n", "60")
    assert found["ok"]
    assert (found["rows"], found["conversations"]) == (60, 60)
    assert (found["equal"]["render"], found["equal"]["ids"]) == (60, 60)
    assert not found["has_mask"]
    assert found["versions"]["transformers"] == "5.24.0"


def test_each_difference_has_its_place_both_sides_and_cause(
    tmp_path: Path, tiny: Path, tagged: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(
        tmp_path / "a.jsonl",
        {"messages": [user("a"), assistant("b")]},
        {"messages": [user("x<|im_end|>y"), assistant("b")]},
        {"messages": [user("a")]},
        {"messages": [user("a"), assistant("b"), user("c"), assistant("d", weight=0)]},
        {"text": "no conversation"},
    )
    found = run(data, tiny, capsys, "--template", tagged, "--schema", "messages")
    assert found["ok"]
    assert (found["rows"], found["conversations"]) == (5, 3)
    assert found["equal"] == {"render": 3, "ids": 2, "mask": 0}
    assert found["different"]["ids"] == {"special-token-in-content": 1}
    causes = found["different"]["mask"]
    assert sum(causes.values()) == 2
    assert any("weights of messages" in cause for cause in causes)
    (ids,) = (item for item in found["differences"] if item["kind"] == "ids")
    assert (ids["source"], ids["line"], ids["offset"]) == (str(data), 2, 7)
    assert ids["theirs"].startswith('257:"<|im_end|>"')
    assert ids["ours"].split(":", 1)[1].startswith('"<"')


def test_keys_of_the_recipe_are_causes(
    tmp_path: Path, tiny: Path, tagged: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(tmp_path / "a.jsonl", {"messages": [user("a"), assistant("b")] * 2})
    template = ("--template", tagged)
    (cause,) = run(data, tiny, capsys, *template)["different"]["mask"]
    assert "reasoning = train" in cause
    (cause,) = run(data, tiny, capsys, *template, "--reasoning", "train-empty")["different"]["mask"]
    assert cause == "terminator-cut"
    (cause,) = run(data, tiny, capsys, *template, "--train-on", "last-turn")["different"]["mask"]
    assert "train_on = last-turn" in cause
    expanded = run(data, tiny, capsys, "--history", "expand")["differences"][0]
    assert expanded["cause"] == "history-rewritten"
    assert expanded["ours"].startswith("2 samples of ")
    limited = run(data, tiny, capsys, "--max-length", "12", "--over-length", "reject")
    assert limited["different"]["ids"] == {"overlong-sample": 1}


def test_what_nothing_explains_is_an_error(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write(tmp_path / "a.jsonl", {"messages": [user("a\t"), assistant("b")]})
    from turnmill.parity.reference import Reference

    encode = Reference.encode

    def broken(self: Reference, conversation: dict[str, Any], *, mask: bool) -> Any:
        messages = [{**m, "content": m["content"].strip()} for m in conversation["messages"]]
        return encode(self, {**conversation, "messages": messages}, mask=mask)

    monkeypatch.setattr(Reference, "encode", broken)
    found = run(data, tiny, capsys, code=1)
    assert found["different"]["render"] == {"unexplained": 1}
    (difference,) = found["differences"]
    assert difference["ours"].startswith('"\\t<|im_end|>')
    assert difference["theirs"].startswith('"<|im_end|>')
    assert main(["parity", str(data), "--tokenizer", str(tiny)]) == 1
    assert "unexplained: render of" in capsys.readouterr().out


def test_a_row_that_both_sides_refuse_is_counted(tmp_path: Path, tiny: Path) -> None:
    data = write(tmp_path / "a.jsonl", {"messages": [user("a"), assistant("b")]})
    tokenizer = tiny
    picky = (
        "{% if messages[0].content == 'a' %}{{ raise_exception('no') }}{% endif %}"
        "{% for m in messages %}{{ m.role }}:{{ m.content }}{{ eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    found = turnmill.parity(data, tokenizer=tokenizer, template=picky)
    assert found.ok
    assert found.refused == 1


@pytest.mark.parametrize("name", fixtures.both("phi-3-mini"))
def test_tokenizers_that_transformers_rebuilds_are_told_apart(name: str, tmp_path: Path) -> None:
    data = write(tmp_path / "a.jsonl", {"messages": [user("Give three tips"), assistant("b")]})
    phi = fixtures.tokenizer_dir(name)
    found = turnmill.parity(data, tokenizer=phi, stop=["<|end|>"])
    assert found.different["ids"] == {"tokenizer rebuilt by transformers": 1}
    assert found.ok


def test_without_transformers_the_error_says_what_to_install(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(tmp_path / "a.jsonl", {"messages": [user("a"), assistant("b")]})
    importing = builtins.__import__

    def missing(name: str, *args: Any, **keys: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == "transformers":
            raise ModuleNotFoundError("No module named 'transformers'", name="transformers")
        return importing(name, *args, **keys)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(TurnmillError) as raised:
        turnmill.parity(data, tokenizer=tiny)
    assert raised.value.code == "no-transformers"
    assert raised.value.hint == "pip install transformers jinja2"
    assert main(["parity", str(data), "--tokenizer", str(tiny)]) == 2
    assert "hint: pip install transformers jinja2" in capsys.readouterr().err


def test_what_is_not_compared_with_is_refused(tmp_path: Path) -> None:
    with pytest.raises(turnmill.RecipeError):
        turnmill.parity(tmp_path, tokenizer="x", against="vllm")


def test_rows_in_memory_and_in_columns_are_compared(tmp_path: Path, tiny: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"messages": [user("a"), assistant("b", reasoning_content="c")]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    for data in (rows, tmp_path / "a.parquet"):
        found = turnmill.parity(data, tokenizer=tiny)
        assert found.equal["ids"] == 1


def test_what_both_texts_lack_is_named(tiny: Path, tmp_path: Path) -> None:
    call = {"type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    asked = {"role": "assistant", "content": "", "tool_calls": [call]}
    template = tmp_path / "lost.jinja"
    template.write_text(
        "{% for message in messages %}{% if message.role != 'system' %}"
        "{{ '<|im_start|>' + message.role + '\\n' + message.content }}"
        "{% for call in message.tool_calls or [] %}{{ call.function | tojson }}{% endfor %}"
        "{{ '<|im_end|>\\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    )
    data = write(
        tmp_path / "a.jsonl",
        {"messages": [{**user("2+3"), "name": "Ann"}, asked]},
        {"messages": [{"role": "system", "content": "Be brief."}, user("Hi"), assistant("Ho")]},
    )
    found = turnmill.parity(data, tokenizer=tiny, template=template)
    assert found.ok
    assert found.rejected == {"message-lost": 1}
    assert {"arguments-parsed": 1, "field-lost": 1}.items() <= found.counted.items()
    said = " ".join(str(found).split())
    assert "left out by prepare rows message-lost 1 The template does not print" in said
    assert "--wire keep compares them as they stand" in said
    kept = turnmill.parity(data, tokenizer=tiny, template=template, wire="keep")
    assert "arguments-parsed" not in kept.counted
    assert "--wire keep" not in str(kept)


LABELLED = {
    # the template's own tag before the reasoning is not what a placeholder replaces
    "axolotl": {"mask": {"text of the template": 1}},
    # everything between the markers is trained, the empty think block too
    "unsloth": {"mask": {"reasoning = train": 1}},
}


@pytest.mark.parametrize("against", LABELLED)
def test_labels_of_others_differ_with_a_cause(
    against: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reasoned = [user("2+2"), assistant("four", reasoning_content="I add.")]
    data = write(
        tmp_path / "a.jsonl", {"messages": reasoned}, {"messages": [user("Hi"), assistant("Yo")]}
    )
    found = run(data, tiny, capsys, "--against", against)
    assert found["ok"]
    assert found["against"] == against
    assert found["has_mask"]
    assert (found["equal"]["ids"], found["equal"]["mask"]) == (2, 1)
    assert found["different"]["mask"] == LABELLED[against]["mask"]
    text = str(turnmill.parity(data, tokenizer=tiny, against=against))
    assert f"trained tokens with those of {against}" in text


def test_trl_needs_a_training_template(tiny: Path, tagged: str, tmp_path: Path) -> None:
    data = write(tmp_path / "a.jsonl", {"messages": [user("Hi"), assistant("Yo")]})
    with pytest.raises(TurnmillError) as raised:
        turnmill.parity(data, tokenizer=tiny, against="trl")
    assert raised.value.code == "no-tags"
    found = turnmill.parity(data, tokenizer=tiny, template=tagged, against="trl")
    assert found.ok
    assert found.different["mask"]
    plain = turnmill.parity(data, tokenizer=tiny, template=tagged)
    assert found.different == plain.different


def test_the_command_takes_what_the_function_takes() -> None:
    assert parity_command._AGAINST == AGAINST
