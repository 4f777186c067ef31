"""Writes `docs/works-today.md`: what the published templates and tokenizers come to.

Usage: ``python scripts/works_today.py``. It needs the published material beside the checkout.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as TheirTokenizer
from transformers.utils.chat_template_utils import render_jinja_template

import turnmill

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import demo_rows  # noqa: E402
import fixtures  # noqa: E402
from conversations import CONVERSATIONS, TOOLS  # noqa: E402
from oracle import NOW, frozen_clock  # noqa: E402

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
OTHERS = ("bert-uncased-minilm", "gpt2", "t5-small")
"""Published tokenizers without a chat template."""
INTRODUCTION = """\
# What works today

This page is written by `scripts/works_today.py` from the published templates and tokenizers that
the tests run on; `tests/parity/test_works_today.py` makes it again and compares. Nothing in the
tables is typed by hand.

## Templates

"Same text" counts {probes} conversations of the tests, each with and without tools, which turnmill
and transformers {transformers} render to the same text. "Both refuse" counts those that the
template refuses in both: many have roles, orders or contents that few templates take. "Different"
would be a bug. "Turns" says whether the answers can be found in the text without editing the
template; "tags" are its own `{{% generation %}}`. "Ends" is what the template prints after an
answer that another message follows, then after the last one where that differs. "Tools" and
"reasoning" say whether the template reads them. "History" says whether it prints an earlier answer
differently once another follows ([history](history.md)).

| template | same text | both refuse | different | turns | ends | tools | reasoning | history |
| --- | ---: | ---: | ---: | --- | --- | --- | --- | --- |
"""
TOKENIZERS = """
## Tokenizers

Ids against the `tokenizers` wheel ({version}): {texts} texts of the demo data and the tests.

| tokenizer | encoder | same ids | different |
| --- | --- | ---: | ---: |
"""


def page() -> str:
    """The page."""
    import tokenizers
    import transformers

    lines = [
        INTRODUCTION.format(
            probes=len(CONVERSATIONS), transformers=transformers.__version__
        ).rstrip()
    ]
    with frozen_clock():
        lines += [_row(_template(name, source)) for name, source in _sources()]
    texts = _texts()
    lines.append(TOKENIZERS.format(version=tokenizers.__version__, texts=len(texts)).rstrip("\n"))
    lines += [_row(_tokenizer(name, texts)) for name in (*fixtures.PUBLISHED, *OTHERS)]
    return "\n".join(lines) + "\n"


def _sources() -> list[tuple[str, str]]:
    """The published templates, and those of the published tokenizers."""
    files = sorted((fixtures.SHARED / "chat_templates").glob("*.jinja"))
    own = [(f"{name} (its tokenizer)", fixtures.chat_template(name)) for name in fixtures.PUBLISHED]
    found = [(_named(path.stem), path.read_text("utf-8")) for path in files]
    return sorted(found + own, key=lambda pair: pair[0].lower())


def _named(stem: str) -> str:
    source, _, name = stem.partition(".")
    return f"{name} ({'llama.cpp' if source == 'llamacpp' else 'TRL'})"


def _template(name: str, source: str) -> tuple[str, ...]:
    template = turnmill.Template(source, special_tokens=TOKENS, now=NOW)
    counts = {"same": 0, "refused": 0, "different": 0}
    for chat in CONVERSATIONS.values():
        for tools in (None, TOOLS):
            counts[_compared(template, source, chat, tools)] += 1
    numbers = tuple(f"{number:,}" for number in counts.values())
    try:
        study = template.study()
    except turnmill.errors.TurnmillError as error:
        return (name, *numbers, f"refused: {error}", "", "", "", "")
    return (name, *numbers, *_studied(study))


def _compared(template: turnmill.Template, source: str, chat: Any, tools: Any) -> str:
    messages = [
        {key: value for key, value in message.items() if value is not None} for message in chat
    ]
    try:
        (theirs,), _ = render_jinja_template(
            conversations=[messages], tools=tools, chat_template=source, **TOKENS
        )
    except Exception:  # noqa: BLE001 - templates raise anything
        theirs = None
    try:
        ours = template.render(chat, tools=tools).text
    except turnmill.errors.TurnmillError:
        ours = None
    if ours != theirs:
        return "different"
    return "refused" if ours is None else "same"


def _studied(study: dict[str, Any]) -> tuple[str, ...]:
    refusal = study["spans_refused"]
    turns = f"refused: {refusal}" if refusal else "inferred"
    if study["has_generation_tags"] and not refusal:
        turns = "tags"
    ends = [study["terminator"] or "", study["final_terminator"] or ""]
    shown = " then ".join(_code(end) for end in dict.fromkeys(ends))
    if study["next_role_ends_turn"]:
        shown = "the next message's role"
    reads = ["yes" if study[key] else "no" for key in ("reads_tools", "reads_reasoning")]
    return turns, shown, *reads, "rewritten" if study["rewrites_history"] else "as it was"


def _texts() -> list[str]:
    said = [text for chat in CONVERSATIONS.values() for text in _strings(chat)]
    rows = [text for name in sorted(demo_rows.SETS) for text in _strings(fixtures.rows(name)[:40])]
    return list(dict.fromkeys(said + rows))


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in items for text in _strings(item)]


def _tokenizer(name: str, texts: list[str]) -> tuple[str, ...]:
    folder = fixtures.tokenizer_dir(name)
    ours = turnmill.Tokenizer(folder)
    theirs = TheirTokenizer.from_file(str(folder / "tokenizer.json"))
    theirs.no_truncation()
    theirs.no_padding()
    same = sum(
        ours.encode(text).tolist() == theirs.encode(text, add_special_tokens=False).ids
        for text in texts
    )
    return name, f"{ours.backend}", f"{same:,}", f"{len(texts) - same:,}"


def _code(text: str) -> str:
    shown = text.replace("\n", "\\n").replace("|", "\\|")
    return f"`{shown}`" if shown else "nothing"


def _row(cells: tuple[str, ...]) -> str:
    plain = [cell.replace("\n", " ") for cell in cells]
    return f"| {' | '.join(plain)} |"


if __name__ == "__main__":
    (ROOT / "docs" / "works-today.md").write_text(page(), "utf-8")
