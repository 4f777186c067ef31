"""Small tokenizers of every family of BPE.

They are built here: the published pre-tokenizer, normalizer and added tokens, and a vocabulary
trained on the spot. `models.py` makes whole models of them, with chat templates.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import tokenizers
from tokenizers import AddedToken, Regex, models, pre_tokenizers, trainers

BITS = [
    *(
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "\u3000",
        "\u00a0",
        "\u2028",
        "\x00",
        "\x07",
        "\x7f",
        "\ufeff",
    ),
    *("'s", "'S", "'\u017f", "'LL", "'re", "'x", "\u2019", "don't", "I'M", "HTTPServer", "iPhone"),
    *("a", "Z", "é", "ǅ", "ʰ", "e\u0301", "\u0323", "\u212b", "\u1e9b\u0323", "ﬁ", "\u1100\u1161"),
    *(
        "中",
        "文",
        "中文",
        "\uff0c",
        "。",
        "の",
        "ア",
        "・",
        "\u30a0",
        "\u3099",
        "〇",
        "々",
        "𠮷",
        "한",
    ),
    *("1", "23", "4567", "½", "Ⅷ", "٣", "०", "_", "/", "//", "\\", "--", "=", "#", '"', ".", ","),
    *(
        "<",
        "<|",
        "|>",
        "</s>",
        "<s>",
        "<|im_end|>",
        "▁",
        "▁▁",
        "😀",
        "👩\u200d👧",
        "\u200d",
        "\ufffd",
    ),
    *("the", " of", "ไทย", "Привет"),
]
WORDS = [
    *(
        "the",
        "of",
        "and",
        "model",
        "data",
        "train",
        "token",
        "answer",
        "question",
        "Instruct",
        "Über",
    ),
    *("naïve", "数据", "训练", "模型", "回答", "問題", "です", "ます"),
]
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WHITE = r"\s*[\r\n]+|\s+(?!\S)|\s+"


def soup(count: int, seed: int, extra: Sequence[str] = ()) -> list[str]:
    """Texts of bits that split patterns, normalizers and added tokens treat differently."""
    draw = random.Random(seed)
    bits = [*BITS, *extra]
    return ["".join(draw.choices(bits, k=draw.randint(0, 30))) for _ in range(count)]


def corpus() -> list[str]:
    """Text to train small vocabularies on, in several scripts."""
    draw = random.Random(5)
    lines = [" ".join(draw.choices(WORDS, k=12)) + draw.choice(".!?") for _ in range(400)]
    return lines + ["".join(draw.choices(WORDS[12:], k=9)) for _ in range(300)] + soup(300, 6)


def isolated(*patterns: str) -> Any:
    """Splits by patterns, then bytes as letters."""
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([*splits, last])


def cased(contractions: str, digits: str, after: str, han: bool = False) -> str:
    """The pattern of GPT-4o and its kin."""
    without = r"&&[^\p{Han}]" if han else ""
    upper = rf"[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}{without}]"
    lower = rf"[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}{without}]"
    prefix = r"[^\r\n\p{L}\p{N}]?"
    parts = [r"[\p{Han}]+"] if han else []
    parts += [f"{prefix}{upper}*{lower}+{contractions}", f"{prefix}{upper}+{lower}*{contractions}"]
    return "|".join([*parts, digits, rf" ?[^\s\p{{L}}\p{{N}}]+{after}", WHITE])


def words(letters: str, marks: str, digits: str) -> str:
    """The pattern of GPT-4 and its kin."""
    sign = rf" ?[^\s\p{{L}}{marks}\p{{N}}]+[\r\n]*"
    return rf"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?{letters}+|{digits}|{sign}|{WHITE}"


def deepseek() -> Any:
    """Digits by three, runs of Chinese and kana, then words with their marks."""
    ascii_signs = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"""
    words = r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    return isolated(
        r"\p{N}{1,3}",
        "[一-龥\u3040-ゟ゠-ヿ]+",
        rf"{ascii_signs}[A-Za-z]+|{words}| ?[\p{{P}}\p{{S}}]+[\r\n]*|{WHITE}",
    )


def digits_then_gpt2() -> Any:
    """StarCoder and Command-R."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )


def falcon() -> Any:
    """Punctuation, GPT-2's pattern, digits by three."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Punctuation("contiguous"),
            pre_tokenizers.Split(Regex(words(r"\p{L}", "", r"\p{N}")), "isolated"),
            pre_tokenizers.Digits(individual_digits=False),
            pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


BYTE_LEVEL: dict[str, Callable[[], Any]] = {
    "gpt-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
    "gpt-2-prefix": lambda: pre_tokenizers.ByteLevel(add_prefix_space=True),
    "gpt-4": lambda: isolated(words(r"\p{L}", "", r"\p{N}{1,3}")),
    "qwen2": lambda: isolated(words(r"\p{L}", "", r"\p{N}")),
    "qwen3.5": lambda: isolated(words(r"[\p{L}\p{M}]", r"\p{M}", r"\p{N}")),
    "gpt-4o": lambda: isolated(cased(f"{CONTRACTIONS}?", r"\p{N}{1,3}", r"[\r\n/]*")),
    "tekken": lambda: isolated(cased("", r"\p{N}", r"[\r\n/]*")),
    "kimi": lambda: isolated(cased(f"{CONTRACTIONS}?", r"\p{N}{1,3}", r"[\r\n]*", han=True)),
    "deepseek": deepseek,
    "starcoder, command-r": digits_then_gpt2,
    "falcon": falcon,
    "unknown pattern": lambda: isolated(r"\p{L}+|\p{N}{1,2}|[^\s\p{L}]+|\s+"),
}

RULES = [
    AddedToken("<|im_end|>", special=True),
    AddedToken("</s>", special=True, rstrip=True),
    AddedToken("<s>", special=True, lstrip=True),
    AddedToken("the", special=False, single_word=True),
    AddedToken("中文", special=False, normalized=True),
    AddedToken("<|", special=False, normalized=False),
    AddedToken("\u212b", special=False, normalized=True),
]


def trained(
    pre_tokenizer: Any,
    normalizer: Any,
    added: Sequence[AddedToken],
    texts: Sequence[str] = (),
    size: int = 900,
) -> tokenizers.Tokenizer:
    """A small byte-level tokenizer, trained on ``texts`` beside the corpus."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([*corpus(), *texts], trainer)
    for token in added:
        tokenizer.add_tokens([token])
    return tokenizer


def characters(
    normalizer: Any,
    pre_tokenizer: Any,
    added: Sequence[AddedToken],
    texts: Sequence[str] = (),
    size: int = 900,
) -> tokenizers.Tokenizer:
    """A small tokenizer of the SentencePiece kind, with byte fallback."""
    tokenizer = tokenizers.Tokenizer(
        models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    metaspace = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer.pre_tokenizer = metaspace
    # Some signs are left to byte tokens.
    rare = {ord(character): None for character in "😀👩👧ไท\x00\x07"}
    common = [line.translate(rare) for line in [*corpus(), *texts]]
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<unk>", "<s>", "</s>", *byte_tokens], show_progress=False
    )
    tokenizer.train_from_iterator(common, trainer)
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = content["added_tokens"][:1]
    content["normalizer"], content["pre_tokenizer"] = normalizer, pre_tokenizer
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(content))
    for token in added:
        tokenizer.add_tokens([token])
    return tokenizer


MARK = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
PREPEND = {"type": "Prepend", "prepend": "▁"}


def metaspace(scheme: str, split: bool) -> dict[str, Any]:
    """The pre-tokenizer of newer conversions."""
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


SENTENCE_PIECE: dict[str, tuple[Any, Any]] = {
    "llama-2": ({"type": "Sequence", "normalizers": [PREPEND, MARK]}, None),
    "yi": ({"type": "Sequence", "normalizers": [MARK]}, None),
    "gemma": (
        MARK,
        {
            "type": "Split",
            "pattern": {"String": " "},
            "behavior": "MergedWithPrevious",
            "invert": False,
        },
    ),
    "mistral": (None, metaspace("first", split=False)),
    "always": (None, metaspace("always", split=True)),
    "never": (None, metaspace("never", split=False)),
}
