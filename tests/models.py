"""Small models of every family, made on the spot: tokenizer, chat template, stop set.

Each is named after a published model and has its pre-tokenizer, the texts of its control tokens and
its stop set. The vocabulary comes from the demo data; the chat templates are turnmill's own
(built-in ones without their tags, and files of ``parity/unseen``). A model is made when a test
first asks for it, the same bytes in every run.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors

from families import BYTE_LEVEL, SENTENCE_PIECE, characters, corpus, trained

PREFIX = "small-"
ROOT = Path(__file__).resolve().parents[1]
BUILT_IN = ROOT / "rust" / "core" / "src" / "template" / "builtin"
UNSEEN = Path(__file__).parent / "parity" / "unseen"
DEMO = ROOT / "python" / "turnmill" / "demo" / "data"
SIZE = 2_000
"""Entries of a vocabulary: enough for words of several pieces and for pieces of several words."""

GREETINGS = [
    "Hello there, how are you?",
    "Hi, I am well, thanks for asking.",
    "Fine. Good to hear.",
]
"""What the tests' conversations say, so that their words are tokens as they are in a real model."""


def untagged(source: str) -> str:
    """A chat template without its ``{% generation %}`` tags, as models are published."""
    opened = re.sub(r"\{%(-?)\s*generation\s*(-?)%\}", r"{%\1 if true \2%}", source)
    return re.sub(r"\{%(-?)\s*endgeneration\s*(-?)%\}", r"{%\1 endif \2%}", opened)


def built_in(name: str) -> str:
    """A built-in chat template without its tags."""
    return untagged((BUILT_IN / f"{name}.jinja").read_text("utf-8"))


def unseen(name: str) -> str:
    """A template of ``parity/unseen``."""
    return (UNSEEN / f"{name}.jinja").read_text("utf-8")


def texts() -> list[str]:
    """What vocabularies are trained on."""
    return [path.read_text("utf-8") for path in sorted(DEMO.iterdir())] + GREETINGS * 40


@dataclass(frozen=True)
class Model:
    """How to make a model.

    Attributes:
        tokenizer: Makes the tokenizer, with its added tokens.
        stop: The texts of the tokens that its server stops on.
        template: Reads the chat template.
        config: What ``tokenizer_config.json`` holds beside it.
    """

    tokenizer: Callable[[], tokenizers.Tokenizer]
    stop: tuple[str, ...] = ()
    template: Callable[[], str] | None = None
    config: dict[str, Any] = field(default_factory=dict)


def special(*contents: str, **flags: bool) -> list[AddedToken]:
    """Control tokens."""
    return [AddedToken(text, special=True, normalized=False, **flags) for text in contents]


def written(*contents: str) -> list[AddedToken]:
    """Added tokens that a model writes itself."""
    return [AddedToken(text, special=False, normalized=False) for text in contents]


def begins_with(tokenizer: tokenizers.Tokenizer, bos: str) -> tokenizers.Tokenizer:
    """Puts the beginning of the text before each text, where special tokens are asked for."""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A",
        pair=f"{bos} $A {bos}:1 $B:1",
        special_tokens=[(bos, tokenizer.token_to_id(bos))],
    )
    return tokenizer


def byte_level(
    family: str, added: Sequence[AddedToken], *, nfc: bool = False, ignore_merges: bool = False
) -> tokenizers.Tokenizer:
    """A byte-level tokenizer of a family."""
    normalizer = normalizers.NFC() if nfc else None
    made = trained(BYTE_LEVEL[family](), normalizer, added, texts(), SIZE)
    made.decoder = decoders.ByteLevel()
    if ignore_merges:
        content = json.loads(made.to_str())
        content["model"]["ignore_merges"] = True
        made = tokenizers.Tokenizer.from_str(json.dumps(content))
    return made


def sentence_piece(family: str, added: Sequence[AddedToken]) -> tokenizers.Tokenizer:
    """A tokenizer of the SentencePiece kind, with byte fallback."""
    made = characters(*SENTENCE_PIECE[family], added, texts(), SIZE)
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if family != "gemma":
        steps.append(decoders.Strip(" ", 1, 0))
    made.decoder = decoders.Sequence(steps)
    return made


THINKING = ("<think>", "</think>", "<tool_call>", "</tool_call>")


def qwen3() -> tokenizers.Tokenizer:
    """ChatML; markers of reasoning and calls that are no control tokens."""
    control = special("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>")
    more = special("<|box_start|>") + written(*THINKING, "<tool_response>", "</tool_response>")
    return byte_level("qwen2", control + more, nfc=True)


def llama() -> tokenizers.Tokenizer:
    """Headers of three tokens, a beginning of the text, reserved tokens."""
    names = ["begin_of_text", "end_of_text", "reserved_special_token_0", "finetune_right_pad_id"]
    names += ["start_header_id", "end_header_id", "eom_id", "eot_id", "python_tag"]
    names += ["reserved_special_token_7"]
    added = special(*(f"<|{name}|>" for name in names))
    return begins_with(byte_level("gpt-4", added, ignore_merges=True), "<|begin_of_text|>")


def mistral() -> tokenizers.Tokenizer:
    """Brackets as control tokens, a space before the first word."""
    names = ["INST", "/INST", "TOOL_CALLS", "AVAILABLE_TOOLS", "/AVAILABLE_TOOLS"]
    names += ["TOOL_RESULTS", "/TOOL_RESULTS", "control_8"]
    added = special("<unk>", "<s>", "</s>", *(f"[{name}]" for name in names))
    return begins_with(sentence_piece("mistral", added), "<s>")


def deepseek() -> tokenizers.Tokenizer:
    """Full-width bars; its markers are added tokens that are not special."""
    roles = ["User", "Assistant"]
    tools = ["tool▁calls", "tool▁call", "tool▁outputs", "tool▁output"]
    marks = [f"{name}▁{end}" for name in tools for end in ("begin", "end")] + ["tool▁sep"]
    control = ["begin▁of▁sentence", "end▁of▁sentence", "▁pad▁", "place▁holder▁no▁0"]
    plain = [AddedToken(f"<｜{name}｜>", special=False, normalized=True) for name in roles + marks]
    return byte_level("deepseek", special(*(f"<｜{name}｜>" for name in control)) + plain)


def phi3() -> tokenizers.Tokenizer:
    """Control tokens that swallow the white space after them."""
    added = special("<unk>", "<s>", "<|endoftext|>")
    added += [AddedToken("</s>", special=False, normalized=False, rstrip=True)]
    names = ["assistant", "placeholder1", "system", "end", "user"]
    return sentence_piece("llama-2", added + special(*(f"<|{n}|>" for n in names), rstrip=True))


def gemma() -> tokenizers.Tokenizer:
    """No space before the first word, markers of turns."""
    added = special("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")
    added += special("<start_of_image>", "<image_soft_token>")
    return begins_with(sentence_piece("gemma", added), "<bos>")


def gpt_oss() -> tokenizers.Tokenizer:
    """Channels, and three tokens that end a message."""
    names = ["startoftext", "endoftext", "return", "constrain", "channel", "start", "end"]
    names += ["message", "call"]
    return byte_level("gpt-4o", special(*(f"<|{name}|>" for name in names)), ignore_merges=True)


def gpt2() -> tokenizers.Tokenizer:
    """One control token, which is also the unknown token."""
    return byte_level("gpt-2", special("<|endoftext|>"))


def pieces(text: str, longest: int) -> Counter[str]:
    """How often each run of up to ``longest`` signs stands in the words of a text."""
    found: Counter[str] = Counter()
    for word, count in Counter(text.split()).items():
        for start, end in combinations(range(len(word) + 1), 2):
            if end - start <= longest:
                found[word[start:end]] += count
    return found


def ranked(found: Counter[str]) -> list[tuple[str, int]]:
    """By how often and then by the text, so that the order is the same in every run."""
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def unigram() -> tokenizers.Tokenizer:
    """Unigram, normalized and with a sign for spaces, as in T5.

    The wheel's trainer gives other scores in each run, so they are counted here.
    """
    marked = " ".join("▁" + word for word in " ".join([*corpus(), *texts()]).split())
    found = pieces(unicodedata.normalize("NFKC", marked), 8)
    total = found.total()
    scored = [(piece, math.log(count / total)) for piece, count in ranked(found)[:SIZE]]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *scored]
    tokenizer = tokenizers.Tokenizer(models.Unigram(vocabulary, unk_id=2))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace("  ", " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def word_piece() -> tokenizers.Tokenizer:
    """WordPiece on lower case, as in BERT; its trainer too numbers pieces as they come."""
    text = " ".join([*corpus(), *texts()]).lower()
    found = [piece for piece, _ in ranked(pieces(text, 6))[:SIZE]]
    control = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    entries = dict.fromkeys([*control, *found, *(f"##{piece}" for piece in found)])
    vocabulary = {piece: number for number, piece in enumerate(entries)}
    tokenizer = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(control)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


FAST = "PreTrainedTokenizerFast"


def dated(source: str) -> str:
    """Llama 3.2 prints the date of the day where Llama 3.1 has a fixed one."""
    assert "'26 Jul 2024'" in source
    return source.replace("'26 Jul 2024'", "strftime_now('%d %b %Y')")


def all_end_alike(source: str) -> str:
    """Every turn ends in ``<|end|>``, the last one too."""
    closing = "'<|return|>' if loop.last else '<|end|>'"
    assert closing in source
    return source.replace(closing, "'<|end|>'")


SMALL: dict[str, Model] = {
    "qwen3": Model(
        qwen3,
        ("<|im_end|>", "<|endoftext|>"),
        lambda: built_in("qwen3"),
        {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "tokenizer_class": FAST},
    ),
    "llama-3.2-instruct": Model(
        llama,
        ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"),
        lambda: dated(built_in("llama-3.1")),
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "tokenizer_class": FAST},
    ),
    "mistral-7b-instruct-v0.3": Model(
        mistral,
        ("</s>",),
        lambda: built_in("mistral-v3"),
        {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "tokenizer_class": FAST},
    ),
    "deepseek-v3": Model(
        deepseek,
        ("<｜end▁of▁sentence｜>",),
        lambda: built_in("deepseek-v3"),
        {
            "bos_token": {"__type": "AddedToken", "content": "<｜begin▁of▁sentence｜>"},
            "eos_token": {"__type": "AddedToken", "content": "<｜end▁of▁sentence｜>"},
            "pad_token": {"__type": "AddedToken", "content": "<｜end▁of▁sentence｜>"},
            "tokenizer_class": FAST,
        },
    ),
    "phi-3-mini": Model(
        phi3,
        ("<|endoftext|>", "<|assistant|>", "<|end|>"),
        lambda: built_in("phi-3"),
        {
            "bos_token": "<s>",
            "eos_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>",
            "unk_token": "<unk>",
            "legacy": False,
            "tokenizer_class": "LlamaTokenizer",
        },
    ),
    "gemma-3": Model(
        gemma,
        ("<eos>", "<end_of_turn>"),
        lambda: built_in("gemma-3"),
        {
            "bos_token": "<bos>",
            "eos_token": "<end_of_turn>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "tokenizer_class": FAST,
        },
    ),
    "gpt-oss": Model(
        gpt_oss,
        ("<|return|>", "<|endoftext|>", "<|call|>", "<|end|>"),
        lambda: all_end_alike(unseen("harmony")),
        {
            "bos_token": "<|startoftext|>",
            "eos_token": "<|return|>",
            "pad_token": "<|endoftext|>",
            "tokenizer_class": FAST,
        },
    ),
    "gpt2": Model(
        gpt2,
        config=dict.fromkeys(["bos_token", "eos_token", "unk_token"], "<|endoftext|>")
        | {"tokenizer_class": FAST},
    ),
    "t5-small": Model(unigram, config={"eos_token": "</s>", "pad_token": "<pad>"}),
    "bert-uncased-minilm": Model(word_piece, config={"unk_token": "[UNK]", "sep_token": "[SEP]"}),
}
"""The small models, by the published one that each is like."""

_made = tempfile.TemporaryDirectory(prefix="turnmill-models-")


@cache
def folder(name: str) -> Path:
    """The folder of a small model; it is made at the first call.

    It holds ``tokenizer.json``, ``tokenizer_config.json`` with the chat template in it, and
    ``generation_config.json`` where the model chats.
    """
    model = SMALL[name]
    made = Path(_made.name) / f"{PREFIX}{name}"
    made.mkdir()
    tokenizer = model.tokenizer()
    tokenizer.save(str(made / "tokenizer.json"))
    config = dict(model.config)
    if model.template is not None:
        config["chat_template"] = model.template()
        stop = [tokenizer.token_to_id(text) for text in model.stop]
        (made / "generation_config.json").write_text(json.dumps({"eos_token_id": stop}), "utf-8")
    text = json.dumps(config, indent=2, ensure_ascii=False)
    (made / "tokenizer_config.json").write_text(text, "utf-8")
    return made


def stops(name: str) -> list[int]:
    """The stop set of a small model."""
    generation = json.loads((folder(name) / "generation_config.json").read_text("utf-8"))
    return list(generation["eos_token_id"])
