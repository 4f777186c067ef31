"""``turnmill show`` without data: what a chat template does."""

from __future__ import annotations

import json

import pytest

from fixtures import ROOT, both, template_text, tokenizer_dir
from turnmill import Template, Tokenizer
from turnmill.cli import main

DEMO = ROOT / "python" / "turnmill" / "demo"

CHATML = """\
template chatml
role system             <|im_start|>system\\n … <|im_end|>\\n
role developer          <|im_start|>developer\\n … <|im_end|>\\n
role user               <|im_start|>user\\n … <|im_end|>\\n
role assistant          <|im_start|>assistant\\n … <|im_end|>\\n
"""


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")


def test_a_built_in_template_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--template", "chatml"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(CHATML)
    assert "prompt after user       <|im_start|>assistant\\n" in out
    assert "ends a turn with        <|im_end|>\\n" in out
    assert "history                 kept" in out


def test_json_holds_the_whole_study(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--template", "chatml", "--json"]) == 0
    study = json.loads(capsys.readouterr().out)
    assert study == {"name": "chatml", **Template("chatml").study()}


def test_the_stop_set_of_a_tokenizer_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    directory = str(DEMO / "tokenizer")
    for flags in (["--template", directory], ["--tokenizer", directory]):
        assert main(["show", *flags]) == 0
        assert "a server stops on       <|im_end|>" in capsys.readouterr().out
    flags = ["--template", "chatml", "--tokenizer", directory, "--json"]
    assert main(["show", *flags]) == 0
    stops = json.loads(capsys.readouterr().out)["stop_set"]
    known = Tokenizer(directory)
    assert [known.token_to_id(stop["token"]) for stop in stops] == [stop["id"] for stop in stops]
    assert stops[0]["token"] == "<|im_end|>"


@pytest.mark.parametrize("small", [True, False], ids=["small", "published"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("qwen3", {"rewrites_history": True, "reads_reasoning": True, "reads_tools": True}),
        ("llama-3.2-instruct", {"rewrites_history": False, "reads_date": True}),
        ("deepseek-v3", {"terminator": "<｜end▁of▁sentence｜>", "reads_reasoning": False}),
        ("phi-3-mini", {"final_terminator": "<|end|>\n<|endoftext|>", "spans_refused": None}),
        ("gpt-oss", {"final_terminator": "<|end|>", "reads_date": True}),
        ("mistral-7b-instruct-v0.3", {"terminator": "</s>", "reads_date": False}),
    ],
)
def test_the_study_of_a_tokenizers_template(
    name: str, expected: dict[str, object], small: bool
) -> None:
    study = Template(tokenizer_dir(both(name)[0 if small else 1])).study()
    assert {key: study[key] for key in expected} == expected


@pytest.mark.parametrize("name", ["built-in/gemma-2", "llamacpp.google-gemma-2-2b-it"])
def test_a_refused_role_says_why(name: str) -> None:
    study = Template(template_text(name)).study()
    system = next(role for role in study["roles"] if role["role"] == "system")
    assert not system["accepted"]
    assert "System role not supported" in system["refusal"]


@pytest.mark.parametrize("name", ["unseen/glm-style", "llamacpp.GLM-4.6"])
def test_next_role_markers_are_named(name: str) -> None:
    study = Template(template_text(name)).study()
    assert study["next_role_ends_turn"]
    assert study["role_markers"]["user"].startswith("<|user|>")
