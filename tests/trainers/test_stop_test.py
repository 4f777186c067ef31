"""The generation test of a model that transformers runs; needs torch."""

from __future__ import annotations

from pathlib import Path

import pytest

import turnmill
from turnmill import stop_test

torch = pytest.importorskip("torch", reason="the extra `trainers` is not installed")
transformers = pytest.importorskip("transformers")

TOKENIZER = Path(turnmill.__file__).parent / "demo" / "tokenizer"
STOP, IGNORED = 2, -100
ROWS = [
    {
        "input_ids": [1, *range(300, 300 + length), 400, STOP],
        "labels": [IGNORED] * (length + 1) + [400, STOP],
    }
    for length in range(1, 13)
]


@pytest.fixture(scope="module")
def model():
    """Random weights, and an output that likes the stop token well enough to end some answers."""
    transformers.set_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=3006,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        eos_token_id=STOP,
        bos_token_id=None,
        pad_token_id=0,
    )
    model = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        model.lm_head.weight[:STOP] -= 10
        model.lm_head.weight[STOP] *= 3
    return model


def one_by_one(model, stops):
    """The same answers without batches, padding and a cache."""

    def generate(prompts, rooms):
        answers = []
        for prompt, room in zip(prompts, rooms, strict=True):
            ids = list(prompt)
            with torch.inference_mode():
                while len(ids) < len(prompt) + room and not set(ids[len(prompt) :]) & stops:
                    logits = model(torch.tensor([ids], device=model.device)).logits
                    ids.append(int(logits[0, -1].argmax()))
            answers.append(ids[len(prompt) :])
        return answers

    return generate


def test_a_directory_gives_what_the_model_gives(model, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    found = stop_test(ROWS, tmp_path, tokenizer=TOKENIZER, stop=[STOP], min_stop=0)
    expected = stop_test(
        ROWS, one_by_one(model, {STOP}), tokenizer=TOKENIZER, stop=[STOP], min_stop=0
    )
    assert found.to_dict() == expected.to_dict()
    assert 0 < found.rates["stop"].count < len(ROWS), "the model is to end some answers"


def test_a_model_whose_configuration_lacks_the_stop_token_runs_past_it(model, tmp_path) -> None:
    model.save_pretrained(tmp_path)
    config = transformers.GenerationConfig.from_pretrained(tmp_path)
    config.eos_token_id = 0
    config.save_pretrained(tmp_path)
    found = stop_test(ROWS, tmp_path, tokenizer=TOKENIZER, stop=[STOP], min_stop=0)
    assert found.rates["ran_past"].count == found.rates["stop"].count > 0
    assert found.problems == ["ran_past"]
