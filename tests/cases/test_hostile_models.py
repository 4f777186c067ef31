"""Models that cannot be right are refused for what they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import turnmill

TOKENIZER = Path(turnmill.__file__).parent / "demo" / "tokenizer"
SAID = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]


def test_a_stop_token_that_is_a_word_is_named_as_one(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(TOKENIZER, model)
    (model / "generation_config.json").unlink(missing_ok=True)
    config = json.loads((model / "tokenizer_config.json").read_text("utf-8"))
    text = json.dumps({**config, "eos_token": "a"})
    (model / "tokenizer_config.json").write_text(text, "utf-8")
    with pytest.raises(turnmill.TurnmillError) as raised:
        turnmill.Encoder(tokenizer=model).encode([{"messages": SAID}])
    assert raised.value.code == "wrong-terminator"
    assert raised.value.hint is not None
    assert '"a" (id 67) is an ordinary word and ends no turn' in raised.value.hint
    assert "--stop '<|im_end|>'" in raised.value.hint
    assert "--stop 'a'" not in raised.value.hint


def test_a_template_that_builds_without_end_is_no_template_of_chats() -> None:
    template = "{% for m in messages %}{{ 'x' * 10000000000 }}{% endfor %}"
    with pytest.raises(turnmill.TurnmillError) as raised:
        turnmill.Encoder(tokenizer=TOKENIZER, template=template).encode([{"messages": SAID}])
    assert "is too much for the template" in str(raised.value)
    assert raised.value.hint is not None
    assert raised.value.hint.startswith("it does not print chats")
