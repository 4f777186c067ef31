"""The run record: what a run was made from, and whether two runs were made from the same."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from typing import Any

from turnmill._environment import working_directory
from turnmill.errors import DataError, RecipeError
from turnmill.output.differences import differences
from turnmill.output.manifest import read_manifest
from turnmill.prepare.chosen import DataFile
from turnmill.prepare.shard import EVIDENCE_ROWS, Receipt
from turnmill.storage import STAGING
from turnmill.storage.listing import refuse_link
from turnmill.storage.local import json_text, read_json
from turnmill.storage.remote import AnyPath

RECORD_VERSION = 1
_NO_PLAN = "broken-output"
PLAN = f"{STAGING}/plan.json"
_OUTSIDE_THE_BYTES = {"inputs", "split", "overwrite", "pack", "pack_strategy"}
"""Recipe keys that may change between runs on the same output: inputs only add or remove shards,
and packs are an index over them."""


def run_identity(recipe: dict[str, Any], facts: dict[str, Any], version: str) -> dict[str, Any]:
    """What decides the bytes of every shard: recipe, tokenizer, template, version."""
    kept = {key: value for key, value in recipe.items() if key not in _OUTSIDE_THE_BYTES}
    value = {"turnmill": version, "recipe": kept, "facts": facts}
    normal: dict[str, Any] = json.loads(json.dumps(value))
    return normal


def plan_path(output: AnyPath) -> AnyPath:
    """The file in which an output keeps what it is made from, written before the first shard."""
    return output / PLAN


def settled_now(output: AnyPath) -> str | None:
    """The date that templates saw when the output was started, if they read it."""
    try:
        made = started(output)
    except DataError:
        return None  # told by who is to write there
    now: str | None = made["facts"].get("now") if made else None
    return now


def started(output: AnyPath) -> dict[str, Any] | None:
    """What the output was started from; ``None`` if no run has begun.

    Raises:
        DataError: The file that says so is damaged, or a link, or gone though shards are there.
    """
    refuse_link(plan_path(output))
    try:
        made = read_json(plan_path(output))
        if made is not None or any((output / STAGING).glob("receipt-*.json")):
            comparable(made or {})
    except (DataError, TypeError, KeyError, AttributeError):
        raise DataError(
            "the file is missing or damaged that says what the output is made from",
            code=_NO_PLAN,
            path=str(plan_path(output)),
            hint="add --overwrite to start this output over, or give another directory with -o",
        ) from None
    return made


def same_recipe(output: AnyPath, mine: dict[str, Any]) -> bool:
    """Whether an output was started by a run made from the same, or was not started."""
    try:
        theirs = started(output)
    except DataError as error:
        if error.code != _NO_PLAN:
            raise
        return _vouched(output, mine)
    return theirs is None or comparable(theirs) == comparable(mine) or _vouched(output, mine)


def _vouched(output: AnyPath, mine: dict[str, Any]) -> bool:
    """Whether the manifest says that the plan was this one, whatever has become of the file."""
    try:
        entry = (read_manifest(output) or {}).get(PLAN)
    except DataError:
        return False
    text = json_text(mine).encode()
    return entry is not None and entry.sha256 == hashlib.sha256(text).hexdigest()


def comparable(identity: dict[str, Any]) -> dict[str, Any]:
    """Leaves out what does not affect the bytes: paths (contents count by hash) and the limit."""
    facts = identity["facts"]
    tokenizer = _without(facts["tokenizer"], "path")
    template = facts["template"] and _without(facts["template"], "name", "own")
    return {
        **identity,
        "recipe": _without(identity["recipe"], "tokenizer", "template", "max_rejects"),
        "facts": {**facts, "tokenizer": tokenizer, "template": template},
    }


def _without(keys: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in keys.items() if name not in names}


def refuse_other_recipe(output: AnyPath, mine: dict[str, Any]) -> None:
    """Compares with the run that the output was started by.

    Raises:
        RecipeError: That run was made from something else; the error shows the difference.
    """
    if same_recipe(output, mine):
        return
    theirs = started(output) or {}
    lines = "\n".join(f"  {line}" for line in differences(comparable(theirs), comparable(mine)))
    message = f"the output was made with another recipe:\n{lines}"
    raise RecipeError(
        message,
        code="other-recipe",
        path=str(output),
        hint="give another directory with -o, or add --overwrite to start this one over",
    )


def run_record(
    inputs: list[dict[str, Any]],
    written: list[DataFile],
    totals: dict[str, Any],
    evidence: dict[str, list[dict[str, Any]]],
    identity: dict[str, Any],
) -> dict[str, Any]:
    """The contents of ``turnmill.json``. Holds no time, host or thread count."""
    return {
        "version": RECORD_VERSION,
        **identity,
        "inputs": inputs,
        "totals": totals,
        "evidence": evidence,
        "shards": [file.to_dict() for file in written],
    }


def evidence_of(receipts: Sequence[Receipt]) -> dict[str, list[dict[str, Any]]]:
    """The first rows of each rule over all shards, each with its source."""
    found: dict[str, list[dict[str, Any]]] = {}
    for receipt in receipts:
        for rule, places in receipt.evidence.items():
            room = EVIDENCE_ROWS - len(found.setdefault(rule, []))
            source = {"source": receipt.identity["source"]}
            found[rule] += [{**source, **place} for place in places[:room]]
    return dict(sorted(found.items()))


def circumstances(
    *, started: str, seconds: float, threads: int | None, size: int
) -> dict[str, Any]:
    """The contents of ``run.json``: what may differ between two runs with the same bytes."""
    return {
        "started": started,
        "seconds": round(seconds, 3),
        "megabytes_per_second": round(size / 1e6 / seconds, 3) if seconds else None,
        "threads": threads,
        "directory": working_directory(),
        "host": platform.node(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
    }
