"""Small conversations for tests of files, shards and commits, and the lengths of their samples."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import turnmill

TOKENIZER = Path(turnmill.__file__).parent / "demo" / "tokenizer"


def rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Conversations that differ from one another in text and length."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"question {i}"},
                {"role": "assistant", "content": "answer " * (i % 7) + f"{i} 答"},
            ]
        }
        for i in range(start, start + count)
    ]


def json_lines(count: int, start: int = 0) -> bytes:
    """:func:`rows` as JSON Lines."""
    return "".join(
        json.dumps(row, ensure_ascii=False) + "\n" for row in rows(count, start)
    ).encode()


@cache
def expected(count: int) -> list[int]:
    """The length of each sample of :func:`rows`, as transformers encodes them."""
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(str(TOKENIZER))
    chats = [row["messages"] for row in rows(count)]
    return [len(ids) for ids in theirs.apply_chat_template(chats, return_dict=False)]
