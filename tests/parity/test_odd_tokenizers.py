"""Tokenizers of unusual configurations: which backend takes them, why, and the right ids.

Our own encoder takes what it knows exactly; the rest goes to the reference backend,
and `Tokenizer.backend_reason` says what it was. Whichever it is, the ids are those of the wheel.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tokenizers import models, pre_tokenizers, trainers

import fixtures
import turnmill
from families import MARK, PREPEND, RULES, characters, corpus, metaspace, soup, trained

Content = dict[str, Any]
WITH_PATTERN = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
PLAIN = {**WITH_PATTERN, "use_regex": False}
KNOWN = "the tokenizer is a known kind of BPE"
OWN = {
    KNOWN: "bpe",
    "the tokenizer is a known kind of Unigram": "unigram",
    "the tokenizer is a known kind of WordPiece": "wordpiece",
}


@cache
def base(kind: str) -> str:
    """A tokenizer to change: GPT-2's kind, SentencePiece's, or one that marks parts of words."""
    match kind:
        case "bytes":
            return trained(pre_tokenizers.ByteLevel(add_prefix_space=False), None, RULES).to_str()
        case "signs":
            return characters(MARK, None, RULES).to_str()
        case "subwords":
            return affixed(continuing_subword_prefix="##")
        case _:
            return affixed(end_of_word_suffix="</w>")


def affixed(**affix: str) -> str:
    """BPE on words and signs, whose tokens say where in the word they stand."""
    tokenizer = tokenizers.Tokenizer(models.BPE(unk_token="[UNK]", **affix))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=["[UNK]"], show_progress=False, **affix
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer.to_str()


@cache
def other_model(kind: str) -> str:
    """A trained tokenizer whose model is not BPE."""
    model, trainer = {
        "WordPiece": (models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer),
        "WordLevel": (models.WordLevel(unk_token="[UNK]"), trainers.WordLevelTrainer),
        "Unigram": (models.Unigram(), trainers.UnigramTrainer),
    }[kind]
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    unknown = {"unk_token": "[UNK]"} if kind == "Unigram" else {}
    options: Any = {"special_tokens": ["[UNK]"], "show_progress": False, **unknown}
    tokenizer.train_from_iterator(corpus(), trainer(vocab_size=500, **options))
    return tokenizer.to_str()


def model(**keys: Any) -> Callable[[Content], None]:
    return lambda content: content["model"].update(keys)


def normalizer(*stages: Content) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        content["normalizer"] = (
            stages[0] if len(stages) == 1 else {"type": "Sequence", "normalizers": [*stages]}
        )

    return change


def pre_tokenizer(*stages: Content) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        content["pre_tokenizer"] = (
            stages[0] if len(stages) == 1 else {"type": "Sequence", "pretokenizers": [*stages]}
        )

    return change


def split(
    pattern: str, behavior: str = "Isolated", *, regex: bool = True, invert: bool = False
) -> Content:
    kind = {"Regex": pattern} if regex else {"String": pattern}
    return {"type": "Split", "pattern": kind, "behavior": behavior, "invert": invert}


def template(single: list[Content], **ids: list[int]) -> Content:
    special = {
        name: {"id": name, "ids": of, "tokens": [name] * len(of)} for name, of in ids.items()
    }
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": single,
        "special_tokens": special,
    }


def post_processor(processor: Content) -> Callable[[Content], None]:
    return lambda content: content.update(post_processor=processor)


def token(name: str) -> Content:
    return {"SpecialToken": {"id": name, "type_id": 0}}


TEXT = {"Sequence": {"id": "A", "type_id": 0}}


def without(*entries: str) -> Callable[[Content], None]:
    """Takes tokens out of the vocabulary, and the merges that need them."""

    def change(content: Content) -> None:
        for entry in entries:
            del content["model"]["vocab"][entry]
        merges = content["model"]["merges"]
        gone = [m for m in merges if any(e in part for e in entries for part in (*m, "".join(m)))]
        content["model"]["merges"] = [merge for merge in merges if merge not in gone]

    return change


def joined_merges(content: Content) -> None:
    """As older files write them."""
    content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]


def merges_twice(content: Content) -> None:
    merges = content["model"]["merges"]
    content["model"]["merges"] = [*merges, *merges[:40]]


def merges_reversed(content: Content) -> None:
    """Ranks go down along every derivation."""
    content["model"]["merges"].reverse()


def holes(content: Content) -> None:
    """Ids with gaps between them, not in the order of the merges."""
    vocab = content["model"]["vocab"]
    content["model"]["vocab"] = {text: 7 * number % 9973 for text, number in vocab.items()}
    content["added_tokens"] = []


def one_id_twice(content: Content) -> None:
    vocab = content["model"]["vocab"]
    vocab["b"] = vocab["a"]


def no_type(content: Content) -> None:
    del content["model"]["type"]


def cut_and_padded(content: Content) -> None:
    """What a file says of truncation and padding is not followed."""
    content["truncation"] = {
        "direction": "Right",
        "max_length": 3,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    content["padding"] = {
        "strategy": {"Fixed": 9},
        "direction": "Left",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "!",
    }


Case = tuple[str, Callable[[Content], None], str]
"""The tokenizer to change, the change, and a part of the reason; the known kind if it is BPE's."""

CASES: dict[str, Case] = {
    "dropout 0": ("bytes", model(dropout=0.0), KNOWN),
    "subword prefix": ("subwords", model(), "has a subword prefix"),
    "empty affixes": (
        "bytes",
        model(continuing_subword_prefix="", end_of_word_suffix=""),
        KNOWN,
    ),
    "word suffix": ("suffixes", model(), "has a suffix at word ends"),
    "unknown token": ("bytes", model(unk_token="!", fuse_unk=True), KNOWN),
    "a byte is missing": ("bytes", without("z"), KNOWN),
    "a byte is missing, unknown fused": (
        "bytes",
        lambda c: (without("z")(c), model(unk_token="!", fuse_unk=True)(c))[0],
        KNOWN,
    ),
    "ignore merges": ("bytes", model(ignore_merges=True), KNOWN),
    "merges as lines": ("bytes", joined_merges, KNOWN),
    "merges twice": ("bytes", merges_twice, KNOWN),
    "merges reversed": ("bytes", merges_reversed, KNOWN),
    "ids with gaps": ("bytes", holes, KNOWN),
    "one id twice": ("bytes", one_id_twice, "two tokens have the id"),
    "no type": ("bytes", no_type, KNOWN),
    "truncation and padding": ("bytes", cut_and_padded, KNOWN),
    "NFKC": ("bytes", normalizer({"type": "NFKC"}), KNOWN),
    "NFC in a sequence": (
        "bytes",
        normalizer({"type": "NFC"}, {"type": "Sequence", "normalizers": []}),
        KNOWN,
    ),
    "lowercase": ("bytes", normalizer({"type": "NFC"}, {"type": "Lowercase"}), KNOWN),
    "strip": (
        "bytes",
        normalizer({"type": "Strip", "strip_left": True, "strip_right": True}),
        KNOWN,
    ),
    "replace": (
        "bytes",
        normalizer({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}),
        KNOWN,
    ),
    "white space": (
        "bytes",
        pre_tokenizer({"type": "Whitespace"}, PLAIN),
        "unknown shape: [Whitespace]",
    ),
    "digits in runs": (
        "bytes",
        pre_tokenizer({"type": "Digits", "individual_digits": False}, PLAIN),
        KNOWN,
    ),
    "single digits": (
        "bytes",
        pre_tokenizer({"type": "Digits", "individual_digits": True}, PLAIN),
        KNOWN,
    ),
    "punctuation removed": (
        "bytes",
        pre_tokenizer({"type": "Punctuation", "behavior": "Removed"}, PLAIN),
        "[Punctuation",
    ),
    "punctuation with what is before": (
        "bytes",
        pre_tokenizer({"type": "Punctuation", "behavior": "MergedWithPrevious"}, PLAIN),
        KNOWN,
    ),
    "split at a string": ("bytes", pre_tokenizer(split("of", regex=False), PLAIN), KNOWN),
    "split inverted": (
        "bytes",
        pre_tokenizer(split(r"\p{L}+", invert=True), PLAIN),
        KNOWN,
    ),
    "split with what is after": (
        "bytes",
        pre_tokenizer(split(r"\s+", "MergedWithNext"), PLAIN),
        KNOWN,
    ),
    "split contiguous": (
        "bytes",
        pre_tokenizer(split(r"\p{P}", "Contiguous"), WITH_PATTERN),
        KNOWN,
    ),
    "split removed": (
        "bytes",
        pre_tokenizer(split(r"\d", "Removed"), PLAIN),
        "unknown shape: [Split]",
    ),
    "prefix after a split": (
        "bytes",
        pre_tokenizer(split(r"\d"), {**PLAIN, "add_prefix_space": True}),
        "[Split, ByteLevel]",
    ),
    "no bytes": ("bytes", pre_tokenizer({"type": "WhitespaceSplit"}), "[WhitespaceSplit]"),
    "scripts": ("bytes", pre_tokenizer({"type": "UnicodeScripts"}, PLAIN), "[UnicodeScripts"),
    "delimiter": (
        "bytes",
        pre_tokenizer({"type": "CharDelimiterSplit", "delimiter": "-"}, PLAIN),
        "[CharDelimiter",
    ),
    "no pre-tokenizer": ("bytes", lambda c: c.update(pre_tokenizer=None), "unknown shape: []"),
    "no byte fallback": ("signs", model(byte_fallback=False), KNOWN),
    "no byte fallback, unknown apart": (
        "signs",
        model(byte_fallback=False, fuse_unk=False),
        KNOWN,
    ),
    "a byte token is missing": ("signs", without("<0x41>"), KNOWN),
    "the sign for a space is missing": (
        "signs",
        without("▁"),
        "the vocabulary lacks the sign for a space",
    ),
    "byte fallback, ignore merges": (
        "signs",
        model(ignore_merges=True),
        "both byte fallback and ignore_merges",
    ),
    "prepended alone": ("signs", normalizer(PREPEND), "[Prepend]"),
    "another sign": (
        "signs",
        normalizer({"type": "Replace", "pattern": {"String": " "}, "content": "_"}),
        "[Replace]",
    ),
    "metaspace twice": (
        "signs",
        lambda c: (normalizer(MARK)(c), pre_tokenizer(metaspace("always", split=True))(c))[0],
        "[Metaspace]",
    ),
    "begin and end": (
        "bytes",
        post_processor(template([token("!"), TEXT, token("a")], **{"!": [0], "a": [64]})),
        KNOWN,
    ),
    "letters at begin and end": (
        "bytes",
        lambda c: (
            normalizer({"type": "NFKC"})(c),
            post_processor(template([token("a"), TEXT, token("a")], a=[64]))(c),
        )[0],
        KNOWN,
    ),
    "several ids": (
        "bytes",
        post_processor(template([token("!"), TEXT], **{"!": [0, 5, 0]})),
        KNOWN,
    ),
    "roberta": (
        "bytes",
        post_processor(
            {
                "type": "RobertaProcessing",
                "sep": ["a", 64],
                "cls": ["!", 0],
                "trim_offsets": True,
                "add_prefix_space": False,
            }
        ),
        KNOWN,
    ),
    "processors in sequence": (
        "bytes",
        post_processor(
            {
                "type": "Sequence",
                "processors": [
                    WITH_PATTERN | {"use_regex": True},
                    template([token("!"), TEXT], **{"!": [0]}),
                ],
            }
        ),
        KNOWN,
    ),
}


def check(path: Path, reason: str, texts: list[str]) -> None:
    """The backend, its reason, and the ids with and without special tokens."""
    tokenizer = turnmill.Tokenizer(path)
    assert reason in tokenizer.backend_reason
    assert tokenizer.backend == OWN.get(reason, "reference")
    reference = tokenizers.Tokenizer.from_file(str(path))
    reference.no_truncation()
    reference.no_padding()
    for special in (False, True):
        ids, offsets = tokenizer.encode_batch(texts, add_special_tokens=special)
        rows = [ids[a:b].tolist() for a, b in pairwise(offsets)]
        expected = reference.encode_batch(texts, add_special_tokens=special)
        wrong = [
            (text, row, one.ids)
            for text, row, one in zip(texts, rows, expected, strict=True)
            if row != one.ids
        ]
        assert wrong == []


@pytest.mark.parametrize("case", CASES)
def test_configurations(case: str, tmp_path: Path) -> None:
    kind, change, reason = CASES[case]
    content = json.loads(base(kind))
    change(content)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), "utf-8")
    check(path, reason, [*soup(300, 8), *corpus()[::40], "zz z", " " * 40, "1234567"])


def test_dropout_is_left_to_the_reference(tmp_path: Path) -> None:
    content = json.loads(base("bytes"))
    content["model"]["dropout"] = 0.1
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), "utf-8")
    tokenizer = turnmill.Tokenizer(path)
    assert (tokenizer.backend, tokenizer.backend_reason) == (
        "reference",
        "the model drops merges at random",
    )


def test_an_added_token_of_which_the_normalizer_leaves_nothing_is_refused(tmp_path: Path) -> None:
    """The wheel loads it, and some texts then never end."""
    content = json.loads(base("bytes"))
    content["normalizer"] = {"type": "StripAccents"}
    flags = dict.fromkeys(["single_word", "lstrip", "rstrip", "special"], False)
    token = {"id": 0, "content": "\u0301", "normalized": True, **flags}
    content["added_tokens"] = [token]
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(turnmill.TokenizerError, match=r"leaves nothing of .*u\{301\}") as caught:
        turnmill.Tokenizer(path)
    assert caught.value.code == "empty-token"
    assert "normalized" in (caught.value.hint or "")
    token["normalized"] = False
    path.write_text(json.dumps(content), "utf-8")
    assert turnmill.Tokenizer(path).backend == "bpe"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("WordPiece", "the tokenizer is a known kind of WordPiece"),
        ("WordLevel", "the model is not BPE, Unigram or WordPiece"),
        ("Unigram", "the tokenizer is a known kind of Unigram"),
    ],
)
def test_other_models(kind: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(other_model(kind), "utf-8")
    check(path, reason, soup(300, 9))


@pytest.mark.parametrize("name", fixtures.both("t5-small", "bert-uncased-minilm"))
def test_whole_tokenizers_that_are_not_bpe(name: str) -> None:
    path = fixtures.tokenizer_dir(name) / "tokenizer.json"
    kind = "Unigram" if "t5" in name else "WordPiece"
    check(path, f"the tokenizer is a known kind of {kind}", soup(300, 10))


def test_a_unigram_without_an_unknown_token_is_left_to_the_reference(tmp_path: Path) -> None:
    content = json.loads(other_model("Unigram"))
    content["model"]["unk_id"] = None
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), "utf-8")
    tokenizer = turnmill.Tokenizer(path)
    assert (tokenizer.backend, tokenizer.backend_reason) == (
        "reference",
        "the model has no unknown token",
    )
