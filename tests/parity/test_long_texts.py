"""Ids of long texts, and of texts made to be hard, are those of the tokenizers wheel.

What makes a text hard: pieces without any end (one word of 16 MB), merges that depend on what comes
much later, tokens of the greatest merge depth, words that no cache has, signs that only byte tokens
stand for. The default tests take 50 kB of each kind, the full ones 16 MB.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
import tokenizers

import fixtures
import turnmill

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LARGE = 16_000_000
RETRIES = 10_000_000
"""Onig, with which the wheel splits, panics where one match takes more steps."""

Draw = random.Random


def drawn(signs: str) -> Callable[[Draw, int], str]:
    """Signs drawn one by one."""
    return lambda draw, size: "".join(draw.choices(signs, k=size))


def repeated(text: str) -> Callable[[Draw, int], str]:
    """One text again and again."""
    return lambda _, size: (text * (size // len(text) + 1))[:size]


def spaced(length: int, sign: str = " ", letters: str = LETTERS) -> Callable[[Draw, int], str]:
    """Words of one length that hardly ever come twice."""

    def text(draw: Draw, size: int) -> str:
        words = range(size // (length + 1))
        return sign.join("".join(draw.choices(letters, k=length)) for _ in words)

    return text


def code_points(draw: Draw, size: int) -> str:
    """Any code points that text can have."""
    ranges = [(0, 0xD800), (0xE000, 0x11_0000)]
    return "".join(chr(draw.randrange(*draw.choice(ranges))) for _ in range(size))


IDEOGRAPHS = "".join(map(chr, range(0x4E00, 0x5200)))

TEXTS: dict[str, Callable[[Draw, int], str]] = {
    "random letters": drawn(LETTERS),
    "letters of both cases": drawn(LETTERS + LETTERS.upper()),
    "two letters": drawn("ab"),
    "one letter": repeated("a"),
    "ab": repeated("ab"),
    "spaces": repeated(" "),
    "spaces before a word": lambda _, size: " " * (size - 1) + "a",
    "white space": drawn(" \t\n\r\u3000\u00a0"),
    "newlines": repeated("\n"),
    "digits": drawn("0123456789"),
    "one digit": repeated("0"),
    "signs": drawn("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    "equal signs": repeated("="),
    "apostrophes": repeated("'"),
    "contractions": repeated("'s"),
    "ideographs": drawn(IDEOGRAPHS),
    "one ideograph": repeated("的"),
    "accents": lambda draw, size: "e" + "".join(draw.choices("\u0301\u0323\u0345", k=size)),
    "jamo": drawn("".join(map(chr, [*range(0x1100, 0x1113), *range(0x1161, 0x1176)]))),
    "code points": code_points,
    "faces": drawn("😀👩\u200d👧🏽❤\ufe0f"),
    "nearly control tokens": repeated("<|im_end|"),
    "words of 7": spaced(7),
    "words of 15": spaced(15),
    "words of 20": spaced(20),
    "words of 90": spaced(90),
    "clauses of ideographs": spaced(9, "，", IDEOGRAPHS),
}


@lru_cache(maxsize=1)
def loaded(name: str) -> tuple[tokenizers.Tokenizer, turnmill.Tokenizer]:
    path = fixtures.tokenizer_dir(name) / "tokenizer.json"
    reference = tokenizers.Tokenizer.from_file(str(path))
    reference.no_truncation()
    reference.no_padding()
    tokenizer = turnmill.Tokenizer(path)
    assert tokenizer.backend == "bpe", tokenizer.backend_reason
    return reference, tokenizer


def check(name: str, text: str) -> None:
    reference, tokenizer = loaded(name)
    ours = tokenizer.encode(text)
    theirs = np.array(reference.encode(text, add_special_tokens=False).ids, np.uint32)
    if not np.array_equal(ours, theirs):
        size = min(len(ours), len(theirs))
        at = int(np.argmax(ours[:size] != theirs[:size]))
        around = slice(max(0, at - 5), at + 5)
        pytest.fail(f"id {at}: {ours[around].tolist()} instead of {theirs[around].tolist()}")


@pytest.mark.parametrize("name", fixtures.SMALL)
def test_hard_texts_of_small_vocabularies(name: str) -> None:
    for kind, text in TEXTS.items():
        check(name, text(random.Random(kind), 4_000))


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("name", fixtures.PUBLISHED)
def test_hard_texts(name: str, kind: str) -> None:
    check(name, TEXTS[kind](random.Random(kind), 12_000))


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("name", ["qwen3", "llama-3.2-instruct", "gemma-3"])
def test_texts_of_sixteen_megabytes(name: str, kind: str) -> None:
    size = RETRIES - 1000 if kind.startswith("spaces") else LARGE
    check(name, TEXTS[kind](random.Random(kind), size))


def entries(name: str) -> list[str]:
    """The text of every vocabulary entry that is text."""
    _, tokenizer = loaded(name)
    stored = tokenizer._token_bytes(np.arange(tokenizer.vocab_size))
    decoded = (token.decode("utf-8", "ignore") for token in stored)
    return [text for text in decoded if text]


@pytest.mark.parametrize("name", fixtures.TOKENIZERS)
def test_texts_made_from_the_vocabulary(name: str) -> None:
    """Entries one after another, whole and cut, and the longest: the deepest merges there are."""
    texts = entries(name)
    words = [text for text in texts if text.isascii() and text.isalpha()]
    longest = sorted(words, key=len)[-400:]
    draw = random.Random(name)
    for some in (texts, words, longest):
        check(name, "".join(draw.choices(some, k=3000)))
        check(name, "".join(text[:-1] for text in draw.choices(some, k=3000)))
        check(name, "".join(text[1:] for text in draw.choices(some, k=3000)))


@pytest.mark.parametrize("name", fixtures.TOKENIZERS)
def test_every_entry_of_the_vocabulary(name: str) -> None:
    reference, tokenizer = loaded(name)
    texts = entries(name)
    texts = texts[:: max(1, len(texts) // 20_000)]
    ids, offsets = tokenizer.encode_batch(texts)
    expected = reference.encode_batch_fast(texts, add_special_tokens=False)
    rows = [ids[a:b].tolist() for a, b in pairwise(offsets)]
    wrong = [text for text, row, one in zip(texts, rows, expected, strict=True) if row != one.ids]
    assert wrong == []
