"""`serving/generation_config.json` keeps what the model's own file says about sampling."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import turnmill

DEMO = Path(turnmill.__file__).parent / "demo"
ROWS = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo."}]}]


def served(tmp_path: Path, config: str | None) -> dict[str, object]:
    model = tmp_path / "model"
    shutil.copytree(DEMO / "tokenizer", model)
    own = model / "generation_config.json"
    stop = json.loads(own.read_text("utf-8"))["eos_token_id"]
    own.unlink()
    if config is not None:
        own.write_text(config, "utf-8")
    turnmill.prepare(ROWS, tmp_path / "out", tokenizer=model, stop=stop)
    made = tmp_path / "out" / "serving" / "generation_config.json"
    found: dict[str, object] = json.loads(made.read_text("utf-8"))
    assert set(found.pop("eos_token_id")) == set(stop)
    return found


def test_sampling_defaults_stay_and_the_stop_set_is_ours(tmp_path: Path) -> None:
    given = {"temperature": 0.6, "top_p": 0.95, "do_sample": True, "eos_token_id": [7]}
    found = served(tmp_path, json.dumps(given))
    assert {name: found[name] for name in ("temperature", "top_p", "do_sample")} == {
        "temperature": 0.6,
        "top_p": 0.95,
        "do_sample": True,
    }


def test_without_defaults_there_is_the_stop_set_alone(tmp_path: Path) -> None:
    assert served(tmp_path, None).keys() <= {"bos_token_id", "pad_token_id"}
