"""``turnmill stop-test`` against servers of a tiny model that are started here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import turnmill
from ngram_server import Kind, Ngrams, serve
from turnmill.cli import main

DEMO = Path(turnmill.__file__).parent / "demo"
TOKENIZER = turnmill.Tokenizer(DEMO / "tokenizer")
STOPS = frozenset({2, 0})
SPEAKS = {
    "llama.cpp": {"llama_cpp": True},
    "vllm": {"vllm": True},
    "openai": {},
}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("stop-test") / "out"
    turnmill.prepare(
        DEMO / "data" / "messages.jsonl", place, tokenizer=TOKENIZER.path, validation=0.2
    )
    return place


@pytest.fixture(scope="module")
def corpus(out: Path) -> list[dict[str, list[int]]]:
    shard = next(out.glob("train/data-*.arrow"))
    with pa.memory_map(str(shard)) as file:
        return pa.ipc.open_stream(file).read_all().to_pylist()


@pytest.fixture(scope="module")
def model(corpus: list[dict[str, list[int]]]) -> Ngrams:
    return Ngrams(row["input_ids"] for row in corpus)


@pytest.fixture(scope="module")
def endless(corpus: list[dict[str, list[int]]]) -> Ngrams:
    """The same model of the same rows without the terminators of the answers."""
    return Ngrams(
        [
            id_
            for id_, label in zip(row["input_ids"], row["labels"], strict=True)
            if label not in STOPS
        ]
        for row in corpus
    )


def asked(capsys: pytest.CaptureFixture[str], *words: str | Path, code: int) -> Any:
    assert main(["stop-test", *map(str, words), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_prompts_alone_are_told_what_to_test_on(tmp_path: Path) -> None:
    rows = DEMO / "data" / "messages.jsonl"
    turnmill.prepare(rows, tmp_path / "out", tokenizer=TOKENIZER.path, train_on="none")
    with pytest.raises(turnmill.DataError, match="these are prompts") as refused:
        turnmill.stop_test(tmp_path / "out", lambda prompts, _: [[2] for _ in prompts])
    assert refused.value.code == "no-prompt"
    assert "without --train-on none" in (refused.value.hint or "")


@pytest.mark.parametrize("speaks", SPEAKS)
def test_every_protocol_gives_what_the_model_gives(
    speaks: str, out: Path, model: Ngrams, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = Kind(stops=STOPS, **SPEAKS[speaks])
    with serve(model, TOKENIZER, kind) as url:
        found = asked(capsys, out, "--model", url, code=0)

    def direct(prompts, rooms):
        return [model.generate(*pair, STOPS) for pair in zip(prompts, rooms, strict=True)]

    assert found == turnmill.stop_test(out, direct).to_dict()
    assert found["prompts"] == 35
    assert not any({"stop", "stop_token_ids"} & set(body) for body in kind.seen)


def test_a_model_of_rows_without_terminators_fails_against_the_baseline(
    out: Path,
    model: Ngrams,
    endless: Ngrams,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    before = tmp_path / "before.json"
    kind = Kind(vllm=True, stops=STOPS)
    with serve(model, TOKENIZER, kind) as url:
        assert main(["stop-test", str(out), "--model", f"{url}/v1", "--json"]) == 0
        before.write_text(capsys.readouterr().out, "utf-8")
    with serve(endless, TOKENIZER, kind) as url:
        words = ["stop-test", str(out), "--model", url, "--baseline", str(before)]
        assert main(words) == 1
    drawn = capsys.readouterr().out
    first = drawn.splitlines()[0]
    assert first.startswith("not ok: 0 % of 35 answers stop (95 % interval 0 % to 9.9 %); 95 % are")
    assert "role leak" in drawn
    assert "before, 100 % of 35 stopped" in drawn
    assert max(map(len, drawn.splitlines())) <= 100


def test_a_server_that_does_not_stop_on_the_stop_set_is_found_out(
    out: Path, model: Ngrams, capsys: pytest.CaptureFixture[str]
) -> None:
    deaf = Kind(llama_cpp=True, stops=frozenset({0}))
    with serve(model, TOKENIZER, deaf) as url:
        found = asked(capsys, out, "--model", url, code=1)
    assert found["problems"] == ["ran_past"]
    assert found["rates"]["ran_past"]["share"] == found["rates"]["stop"]["share"] == 1


def test_a_key_is_sent_if_the_environment_has_one(
    out: Path,
    model: Ngrams,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serve(model, TOKENIZER, Kind(vllm=True, stops=STOPS, key="secret")) as url:
        found = asked(capsys, out, "--model", f"{url}/v1", code=2)
        assert found["error"]["code"] == "server-refused"
        assert "TURNMILL_API_KEY" in found["error"]["hint"]
        monkeypatch.setenv("TURNMILL_API_KEY", "secret")
        asked(capsys, out, "--model", f"{url}/v1", "--prompts", "3", code=0)


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["--model", "http://127.0.0.1:9/v1"], 2, "no-answer"),
        (["--model", "nowhere"], 2, "no-model"),
        (["--model", "{data}"], 2, "no-model"),
        ([], 2, "usage"),
        (["--model", "{data}", "--min-stop", "95"], 2, "usage"),
        (["--model", "{data}", "--budget", "many"], 2, "usage"),
        (["--model", "{data}", "--baseline", "{data}/turnmill.json"], 1, "no-result"),
        (["--model", "{data}", "--stop", "<none>"], 2, "unknown-stop"),
    ],
)
def test_errors_are_named(
    words: list[str], code: int, error: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word.format(data=out) for word in words]
    assert asked(capsys, out, *words, code=code)["error"]["code"] == error


@pytest.mark.parametrize(
    ("data", "code"), [("messages.jsonl", "not-tokenized"), ("missing.jsonl", "file-not-found")]
)
def test_data_that_cannot_be_asked_about_is_named(
    data: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = DEMO / "data" / data
    assert asked(capsys, place, "--model", "x", code=1)["error"]["code"] == code
