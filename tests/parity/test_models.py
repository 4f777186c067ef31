"""Unigram, WordPiece, other normalizers, and vocabularies that cannot write every text.

Small tokenizers are trained here with the published normalizers and pre-tokenizers of their
families; ids are those of the tokenizers wheel.
"""

from __future__ import annotations

import json
from itertools import chain, starmap
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tokenizers import Regex, models, normalizers, pre_tokenizers, trainers

import fixtures
import turnmill
from backends import differences, offset_differences
from families import BITS, BYTE_LEVEL, MARK, RULES, characters, corpus, metaspace, soup, trained

BYTE_TOKENS = [f"<0x{byte:02X}>" for byte in range(256)]
UNIGRAM: dict[str, tuple[Any, Any]] = {
    "xlm-r": (
        normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()]),
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
    ),
    "t5": (
        normalizers.Sequence(
            [
                normalizers.Nmt(),
                normalizers.NFKC(),
                normalizers.Strip(left=False, right=True),
                normalizers.Replace(Regex(" {2,}"), "▁"),
            ]
        ),
        pre_tokenizers.Metaspace(prepend_scheme="first"),
    ),
    "albert": (
        normalizers.Sequence(
            [
                normalizers.Replace("``", '"'),
                normalizers.Replace("''", '"'),
                normalizers.NFKD(),
                normalizers.StripAccents(),
                normalizers.Lowercase(),
                normalizers.Replace(Regex(" {2,}"), " "),
            ]
        ),
        pre_tokenizers.Metaspace(),
    ),
    "as it is": (None, pre_tokenizers.Metaspace(prepend_scheme="never", split=False)),
}
WORD_PIECE = {
    "uncased": normalizers.BertNormalizer(),
    "cased": normalizers.BertNormalizer(lowercase=False),
    "accents stay": normalizers.BertNormalizer(strip_accents=False, handle_chinese_chars=False),
    "as it is": None,
}


def check(tokenizer: tokenizers.Tokenizer, backend: str, folder: Path) -> None:
    """Compare on soup and on every entry of the vocabulary."""
    for token in RULES:
        tokenizer.add_tokens([token])
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    assert turnmill.Tokenizer(path).backend == backend
    entries = [tokenizer.id_to_token(i) or "" for i in range(tokenizer.get_vocab_size())]
    texts = soup(3000, 21) + corpus()[::4] + entries + ["".join(BITS), "a" * 300, " " * 300]
    assert differences(path, texts) == []
    assert offset_differences(path, texts[::5]) == []


@pytest.mark.parametrize("byte_fallback", [False, True], ids=["unknown", "bytes"])
@pytest.mark.parametrize("family", UNIGRAM)
def test_unigram_families(family: str, byte_fallback: bool, tmp_path: Path) -> None:
    tokenizer = tokenizers.Tokenizer(models.Unigram())
    tokenizer.normalizer, tokenizer.pre_tokenizer = UNIGRAM[family]
    special = ["<unk>", *(BYTE_TOKENS if byte_fallback else [])]
    trainer = trainers.UnigramTrainer(
        vocab_size=600, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    # Some signs are left unknown.
    common = [line.translate({ord(c): None for c in "😀👩👧ไท文"}) for line in corpus()]
    tokenizer.train_from_iterator(common, trainer)
    content = json.loads(tokenizer.to_str())
    content["model"]["byte_fallback"] = byte_fallback
    content["added_tokens"] = content["added_tokens"][:1]
    check(tokenizers.Tokenizer.from_str(json.dumps(content)), "unigram", tmp_path)


@pytest.mark.parametrize("most", [100, 4])
@pytest.mark.parametrize("family", WORD_PIECE)
def test_word_piece_families(family: str, most: int, tmp_path: Path) -> None:
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = WORD_PIECE[family]
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=700, special_tokens=["[UNK]", "[CLS]"], show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    content = json.loads(tokenizer.to_str())
    content["model"]["max_input_chars_per_word"] = most
    check(tokenizers.Tokenizer.from_str(json.dumps(content)), "wordpiece", tmp_path)


@pytest.mark.parametrize(
    "normalizer",
    [
        normalizers.NFKC(),
        normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase()]),
        normalizers.Replace("  ", "\n"),
    ],
    ids=["claude", "lowercase", "replace"],
)
def test_byte_level_after_other_normalizers(normalizer: Any, tmp_path: Path) -> None:
    check(trained(BYTE_LEVEL["gpt-2"](), normalizer, []), "bpe", tmp_path)


def test_sign_for_a_space_after_other_normalizers(tmp_path: Path) -> None:
    stages = {"type": "Sequence", "normalizers": [{"type": "NFKC"}, MARK]}
    check(characters(stages, None, []), "bpe", tmp_path)
    check(characters({"type": "NFKC"}, metaspace("first", split=True), []), "bpe", tmp_path)


@pytest.mark.parametrize("unknown", [None, "the", "!"])
@pytest.mark.parametrize("fuse", [False, True])
def test_bytes_without_a_letter(unknown: str | None, fuse: bool, tmp_path: Path) -> None:
    """As SmolLM2 and StarCoder: some bytes are no token, and the text goes on without them."""
    content = json.loads(trained(BYTE_LEVEL["starcoder, command-r"](), None, []).to_str())
    model = content["model"]
    # Of 😀, tab, é, and the last byte of 中.
    for letter in ["ð", "ĉ", "Ã", "Ń", "z"]:
        model["vocab"].pop(letter, None)
    model["merges"] = [
        merge
        for merge in model["merges"]
        if all(part in model["vocab"] for part in [*merge, "".join(merge)])
    ]
    model["unk_token"], model["fuse_unk"] = unknown, fuse
    check(tokenizers.Tokenizer.from_str(json.dumps(content)), "bpe", tmp_path)


@pytest.mark.parametrize("fuse", [False, True])
@pytest.mark.parametrize("missing", ["<0xF0>", "<0x9F>", "<0x80>", "<0x0A>"])
def test_byte_fallback_without_a_byte(missing: str, fuse: bool, tmp_path: Path) -> None:
    content = json.loads(characters(MARK, None, []).to_str())
    model = content["model"]
    del model["vocab"][missing]
    model["fuse_unk"] = fuse
    check(tokenizers.Tokenizer.from_str(json.dumps(content)), "bpe", tmp_path)


@pytest.mark.parametrize("name", ["t5-small", "bert-uncased-minilm"])
@pytest.mark.parametrize("data", ["alpaca_en_52k.json.zst", "alpaca_zh_20k.json.zst"])
def test_published_ones_on_instructions(name: str, data: str) -> None:
    path = fixtures.fixture("tokenizers", name, "tokenizer.json")
    rows = fixtures.rows(data, 3000)
    texts = ["\n".join(str(value) for value in row.values()) for row in rows]
    assert differences(path, texts) == []


@pytest.mark.parametrize("name", ["t5-small", "bert-uncased-minilm"])
def test_every_character_by_published_ones(name: str) -> None:
    """Alone between letters, and beside its neighbours, with which it may be one grapheme."""
    path = fixtures.fixture("tokenizers", name, "tokenizer.json")
    # Nearly all that a normalizer changes, and some of the rest.
    ranges = (0, 0x3400), (0xA000, 0xAC40), (0xF900, 0x1FB00), (0x2F7F0, 0x2FA20)
    codes = [*chain.from_iterable(starmap(range, ranges)), *range(0x3400, 0xD800, 97)]
    letters = list(map(chr, codes))
    groups = [letters[start : start + 64] for start in range(0, len(letters), 64)]
    texts = ["".join(group) for group in groups] + ["x".join(group) for group in groups]
    assert differences(path, texts) == []
    assert offset_differences(path, texts[::7]) == []
