"""What `SFTTrainer` of TRL 1.16.0 does to a data set, told again in our own words.

TRL needs torch, which is not here. Its preparation: texts get the eos they lack; conversations are
rendered and tokenized one by one, with an assistant mask if that is asked for; of prompts and
completions both the prompt alone and the whole are tokenized, and the completion begins where they
part. Labels are the ids where every mask that applies is 1, else -100.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import takewhile
from typing import Any


def prepared(
    rows: list[dict[str, Any]],
    tokenizer: Any,
    *,
    assistant_only_loss: bool = False,
    completion_only_loss: bool | None = None,
    chat_template: str | None = None,
) -> Iterator[tuple[list[int], list[int]]]:
    """Ids and labels of each row."""
    if completion_only_loss is None:
        completion_only_loss = {"prompt", "completion"} <= rows[0].keys()
    for row in rows:
        ids, masks = _tokenized(row, tokenizer, assistant_only_loss, chat_template)
        if not completion_only_loss:
            masks.pop("completion", None)
        bits = list(zip(*masks.values(), strict=True)) or [()] * len(ids)
        yield ids, [id_ if all(on) else -100 for id_, on in zip(ids, bits, strict=True)]


def _tokenized(
    row: dict[str, Any], tokenizer: Any, masked: bool, template: str | None
) -> tuple[list[int], dict[str, list[int]]]:
    tools = row.get("tools")
    keys = {
        "chat_template": template,
        "tools": json.loads(tools) if isinstance(tools, str) else tools,
        **(row.get("chat_template_kwargs") or {}),
    }

    def of(given: Any, **more: Any) -> Any:
        if isinstance(given, str):
            return tokenizer(given)
        return tokenizer.apply_chat_template(given, **keys, **more)

    def ended(text: str) -> str:
        return text if text.endswith(tokenizer.eos_token) else text + tokenizer.eos_token

    if "prompt" not in row:
        given = row["messages"] if "messages" in row else ended(row["text"])
        found = of(given, **({"return_assistant_tokens_mask": masked} if "messages" in row else {}))
        masks = {"assistant": found["assistant_masks"]} if masked else {}
        return found["input_ids"], masks
    if isinstance(row["prompt"], str):
        before, whole = of(row["prompt"]), of(row["prompt"] + ended(row["completion"]))
    else:
        before = of(row["prompt"], add_generation_prompt=True)
        whole = of(row["prompt"] + row["completion"], return_assistant_tokens_mask=masked)
    pairs = zip(before["input_ids"], whole["input_ids"], strict=False)
    common = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    ids = whole["input_ids"]
    masks = {"completion": [0] * common + [1] * (len(ids) - common)}
    if "assistant_masks" in whole:
        masks["assistant"] = whole["assistant_masks"]
    return ids, masks
