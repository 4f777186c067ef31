"""Offsets of tokens in batches against `Encoding.offsets` of the wheel, token by token."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Wheel

import turnmill
from fixtures import TOKENIZERS, data_text, tokenizer_dir

OTHERS = ("gpt2", "bert-uncased-minilm", "t5-small")
NAMES = (*TOKENIZERS, *OTHERS)
TEXTS = [
    "",
    " ",
    "\n\n  \n",
    "Hello,  world!\t\u00a0x ",
    " leading and trailing  ",
    "你好，世界。 中文  and English",
    "\u65e5\u672c\u8a9e \ud55c\uad6d\uc5b4",
    "\u0e44\u0e17\u0e22 \u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\U0001f600 \U0001f1e9\U0001f1ea \u0915\u094d\u0937",
    "e\u0301 \u00e9 \ufb01 \u2126 \u1e9b\u0323 \u00c5ngstr\u00f6m I\u0307",
    "<|im_start|>user\nHi<|im_end|>\n<|eot_id|><s></s>[INST] x [/INST]<start_of_turn>",
    "<|im_end|> \u4f60<|im_end|>",
    "a" * 300 + " " * 40 + "b" * 5,
    "def f(x):\n    return x ** 2  # \u00b2\n",
    "\ufffd\u0000\u0001\ufeff\u2028",
]


class Both:
    def __init__(self, directory):
        self.ours = turnmill.Tokenizer(directory)
        self.wheel = Wheel.from_file(str(directory / "tokenizer.json"))
        self.wheel.no_padding()
        self.wheel.no_truncation()

    def assert_same(self, texts, *, special=False):
        ids, rows, places = self.ours.encode_batch(texts, add_special_tokens=special, offsets=True)
        plain = self.ours.encode_batch(texts, add_special_tokens=special)
        assert (ids.tolist(), rows.tolist()) == (plain[0].tolist(), plain[1].tolist())
        assert (places.dtype, places.shape) == (np.int32, (len(ids), 2))
        encodings = self.wheel.encode_batch(texts, add_special_tokens=special)
        for row, (text, encoding) in enumerate(zip(texts, encodings, strict=True)):
            own = slice(rows[row], rows[row + 1])
            if ids[own].tolist() != encoding.ids:
                continue  # a token that only the configuration adds
            assert list(map(tuple, places[own].tolist())) == encoding.offsets, (text, row)


@pytest.fixture(scope="module", params=NAMES)
def both(request):
    return Both(tokenizer_dir(request.param))


@pytest.mark.parametrize("special", [False, True])
def test_hard_texts(both, special):
    both.assert_same(TEXTS, special=special)


def test_texts_from_the_wild(both):
    text = data_text("demo/messages.jsonl")
    lines = text.splitlines()
    both.assert_same([*lines[:60], text[:5000]])


PIECES = st.sampled_from(
    [
        *(" ", "  ", "\n", "\t", "a", "the", "1", ".", "\u00a0", "\u200d", "\u2581", "\u0120"),
        *("\u4f60", "\u00e9", "e\u0301", "\U0001f600", "\ufb01"),
        # What normalizers change, join and leave out.
        *("\r\n", "\r", "\x01", "\x00", "\ufffd", "\u2122", "\uff0c", "\u0130", "A", "\u0301"),
        *("\u0e33", "\u0915", "\u094d", "\u1100", "\u1161", "\uac00", "\u0600", "\U0001f1e9"),
        *("<|im_end|>", "<|eot_id|>", "</s>"),
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(PIECES, max_size=12).map("".join), min_size=1, max_size=4))
@pytest.mark.parametrize("name", NAMES)
def test_any_text(name, texts):
    shared(name).assert_same(texts)


_LOADED: dict[str, Both] = {}


def shared(name):
    if name not in _LOADED:
        _LOADED.clear()
        _LOADED[name] = Both(tokenizer_dir(name))
    return _LOADED[name]


def test_any_number_of_threads_and_arrow_texts():
    tokenizer = turnmill.Tokenizer(tokenizer_dir("small-qwen3"))
    texts = [line * 3 for line in data_text("demo/messages.jsonl").splitlines()] * 3
    one = tokenizer.encode_batch(texts, offsets=True, threads=1)
    for threads, given_texts in ((2, texts), (3, pa.array(texts)), (None, iter(texts))):
        for mine, other in zip(
            one, tokenizer.encode_batch(given_texts, offsets=True, threads=threads), strict=True
        ):
            assert np.array_equal(mine, other)


def test_no_texts():
    tokenizer = turnmill.Tokenizer(tokenizer_dir("small-qwen3"))
    ids, rows, places = tokenizer.encode_batch([], offsets=True)
    assert (len(ids), rows.tolist(), places.shape) == (0, [0], (0, 2))


@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize("trims", [False, True])
@pytest.mark.parametrize("kind", ["ByteLevel", "RobertaProcessing", "Sequence"])
def test_what_a_post_processor_trims(kind, trims, adds, tmp_path):
    content = json.loads((tokenizer_dir("small-qwen3") / "tokenizer.json").read_text("utf-8"))
    flags = {"trim_offsets": trims, "add_prefix_space": adds}
    byte_level = {"type": "ByteLevel", "use_regex": False, **flags}
    content["post_processor"] = {
        "ByteLevel": byte_level,
        "RobertaProcessing": {
            "type": "RobertaProcessing",
            "sep": ["b", 1],
            "cls": ["a", 2],
            **flags,
        },
        "Sequence": {"type": "Sequence", "processors": [byte_level]},
    }[kind]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    both = Both(tmp_path)
    for special in (False, True):
        both.assert_same([*TEXTS, "  two\n and  two  "], special=special)
