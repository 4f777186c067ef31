"""The page of all rules, from the texts of the core: `docs/rules.md`."""

from __future__ import annotations

from turnmill.rules import rules

_HEAD = """\
# Rules

Every rule of `turnmill check` and of the runs of `turnmill prepare`. A rule of severity **error**
breaks the promise that every trained turn ends: a run leaves the row out, a check fails. A
**warning** is likely harm, or a difference between training and inference. An **info** is worth a
number. The names come from documented incidents in public fine-tuning projects.

This page is printed by `turnmill check --explain all`; `--explain RULE` prints one entry.

| rule | severity | finds |
| --- | --- | --- |
"""


def page() -> str:
    """The page as Markdown."""
    listed = rules().values()
    table = [
        f"| [{rule.name}](#{rule.name}) | {rule.severity} | {rule.meaning} |" for rule in listed
    ]
    entries = [
        f"\n## {rule.name}\n\n{rule.meaning} ({rule.severity}).\n\n"
        f"*Cause.* {rule.cause}\n\n*Cure.* {rule.cure}\n"
        for rule in listed
    ]
    return _HEAD + "\n".join(table) + "\n" + "".join(entries)
