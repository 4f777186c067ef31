"""Ids of our own encoder are those of the tokenizers wheel, for every family of tokenizers.

Small ones of every family are trained on the spot; published ones come from the shared fixtures.
"""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path

import pytest
import tokenizers
from tokenizers import AddedToken, normalizers

import fixtures
import models
from backends import differences, offset_differences
from families import (
    BITS,
    BYTE_LEVEL,
    RULES,
    SENTENCE_PIECE,
    characters,
    corpus,
    soup,
    trained,
)

NAMES = fixtures.both(*fixtures.PUBLISHED, "gpt2", "t5-small", "bert-uncased-minilm")


def check(tokenizer: tokenizers.Tokenizer, folder: Path) -> None:
    """Compare on soup and on every entry of the vocabulary."""
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    entries = [tokenizer.decode([i]) for i in range(tokenizer.get_vocab_size())]
    texts = soup(3000, 1) + corpus()[::4] + entries + ["".join(BITS), "a" * 300, " " * 300]
    assert differences(path, texts) == []
    assert offset_differences(path, texts[::5]) == []


@pytest.mark.slow
@pytest.mark.parametrize("rules", [[], RULES], ids=["plain", "added"])
@pytest.mark.parametrize("nfc", [False, True], ids=["as-is", "nfc"])
@pytest.mark.parametrize("family", BYTE_LEVEL)
def test_byte_level_families(
    family: str, nfc: bool, rules: list[AddedToken], tmp_path: Path
) -> None:
    normalizer = normalizers.NFC() if nfc else None
    check(trained(BYTE_LEVEL[family](), normalizer, rules), tmp_path)


@pytest.mark.parametrize("rules", [[], RULES], ids=["plain", "added"])
@pytest.mark.parametrize("family", SENTENCE_PIECE)
def test_sentence_piece_families(family: str, rules: list[AddedToken], tmp_path: Path) -> None:
    check(characters(*SENTENCE_PIECE[family], rules), tmp_path)


STRIPS = [
    AddedToken("!", lstrip=True, rstrip=True),
    AddedToken("\t", lstrip=True, rstrip=True, normalized=True),
    AddedToken("\u3000 ", lstrip=True, rstrip=True),
    AddedToken("#", lstrip=True, rstrip=True, normalized=False),
]


@pytest.mark.parametrize("family", ["qwen2", *SENTENCE_PIECE])
def test_white_space_at_added_tokens(family: str, tmp_path: Path) -> None:
    """Where a normalizer has made a sign of the space, it is no white space any more.

    A token of white space that the token before has stripped is none.
    """
    if family in SENTENCE_PIECE:
        tokenizer = characters(*SENTENCE_PIECE[family], STRIPS)
    else:
        tokenizer = trained(BYTE_LEVEL[family](), None, STRIPS)
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    draw = random.Random(12)
    bits = ["!", "\t", "\u3000 ", "#", " ", "  ", "a", "▁", "\n"]
    texts = ["".join(draw.choices(bits, k=draw.randint(1, 8))) for _ in range(3000)]
    assert differences(path, texts) == []


@pytest.mark.parametrize("ignore_merges", [False, True])
def test_tokens_that_no_merge_reaches(ignore_merges: bool, tmp_path: Path) -> None:
    content = json.loads(trained(BYTE_LEVEL["qwen2"](), None, []).to_str())
    vocab = content["model"]["vocab"]
    unreached = ["Ġdataxyz", "ab", "ä¸Ńæĸĩ", "zzzzzzzzzzzzzzzzzzzzzz", "ä¸"]
    for token in unreached:
        vocab.setdefault(token, len(vocab))
    content["model"]["ignore_merges"] = ignore_merges
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), "utf-8")
    bits = [" dataxyz", "ab", "中文", "z" * 22, "数据中文", "中文训练"]
    assert differences(path, soup(3000, 2, bits) + bits) == []


@cache
def code_points() -> list[str]:
    """Every code point, alone and beside what could change it."""
    everything = (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    return [f"a{c}b {c}1{c}\n{c}  {c}'{c} A{c}中{c}{c}" for c in everything]


@pytest.mark.parametrize("name", NAMES)
def test_pieces_of_every_length(name: str) -> None:
    """Tables have limits at 15 and 31 bytes, blocks at 64; what is met again comes from a table."""
    path = fixtures.tokenizer_dir(name) / "tokenizer.json"
    draw = random.Random(9)
    texts = []
    for length in (*range(1, 4), *range(14, 19), *range(30, 35), 47, 48, *range(63, 66)):
        for letters in (
            "e",
            "etaoinshr",
            "中文字的一是",
            "\u4e2e\u4e37\u4e44",
            "яиo",
            "é",
            " ",
            "=",
            "7",
        ):
            piece = "".join(draw.choices(letters, k=length))
            before = "a " * draw.randrange(40)
            texts += [piece, f"{before}{piece}\n{piece} {piece}", f" {piece}.{piece[:-1]}"]
    assert differences(path, texts + texts[::-1]) == []


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", [*fixtures.PUBLISHED, "gpt2", "t5-small", "bert-uncased-minilm"])
def test_every_code_point(name: str) -> None:
    path = fixtures.tokenizer_dir(name) / "tokenizer.json"
    texts = code_points()
    for start in range(0, len(texts), 20_000):
        assert differences(path, texts[start : start + 20_000]) == []


def probes(name: str) -> list[str]:
    """Texts that try what a tokenizer has; the published ones have a file of them."""
    if name.startswith(models.PREFIX):
        lines = [json.dumps(row, ensure_ascii=False) for row in fixtures.rows("demo-messages")]
        return ["\n".join(lines), *lines]
    probe = fixtures.fixture("tokenizers", "PROBE.txt").read_bytes().decode()
    return [probe, *probe.split("\n")]


@pytest.mark.parametrize("name", NAMES)
def test_whole_tokenizers(name: str) -> None:
    path = fixtures.tokenizer_dir(name) / "tokenizer.json"
    golden = path.parent / "golden.jsonl"
    rows = golden.read_text("utf-8").split("\n") if golden.exists() else []
    texts = [*probes(name), *(json.loads(row)["text"] for row in rows if row)]
    reference = tokenizers.Tokenizer.from_file(str(path))
    draw = random.Random(4)
    ids = draw.choices(range(reference.get_vocab_size()), k=12_000)
    texts += [
        reference.decode(ids[i : i + 6], skip_special_tokens=False) for i in range(0, len(ids), 6)
    ]
    added = [token.content for token in reference.get_added_tokens_decoder().values()]
    assert differences(path, texts + soup(3000, 3, added[:40])) == []
