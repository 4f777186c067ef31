"""What an export wrote, and how its trainer reads it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from turnmill._terminal import Terminal, count, share, table, terminal, visible

if TYPE_CHECKING:
    import pyarrow as pa

    from turnmill.output.trainers import NextStep


@dataclass
class Written:
    """The files of one data set."""

    rows: int = 0
    tokens: int = 0
    trained: int = 0
    columns: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    """Names relative to the data set's directory, each with its SHA-256."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Rows that have no place in this form, by reason."""

    def counting(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches, counted as they pass."""
        from turnmill.export.columns import flat_rows

        for batch in batches:
            self.rows += batch.num_rows
            if "input_ids" in batch.schema.names:
                rows = flat_rows(batch)
                self.tokens += len(rows.input_ids)
                self.trained += int(rows.trained.sum())
            yield batch


@dataclass(frozen=True)
class Export:
    """A finished export."""

    path: Path
    """The directory."""
    to: str
    """The form."""
    labels: str
    """How the trainer reads the labels."""
    parts: dict[str, Written]
    """What was written of each data set, by name; the name is empty if there is one."""
    next_steps: list[NextStep]
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(self.summary(terminal(sys.stdout, colour=False)))

    def summary(self, console: Terminal) -> list[str]:
        """The closing lines of ``turnmill export``, which ``print(export)`` prints."""
        place = console.style(visible(str(self.path)), "cyan")
        note = console.style(console.say("note"), "bold", "yellow") + console.say(": ")
        lines = [*self._counts(console), (console.say("output"), place)]
        steps = [line for step in self.next_steps for line in step.drawn(console)]
        return [*table(lines), *(note + text for text in self.notes), "", *steps]

    def _counts(self, console: Terminal) -> list[tuple[str, str]]:
        say = console.say
        written = list(self.parts.values())
        rows, tokens, trained = (
            sum(getattr(part, name) for part in written) for name in ("rows", "tokens", "trained")
        )
        named = [f"{name} {count(part.rows)}" for name, part in self.parts.items() if name]
        lines = [(say("rows"), count(rows) + (f" ({', '.join(named)})" if named else ""))]
        if tokens:
            values = {
                "tokens": count(tokens),
                "share": share(trained, tokens),
                "trained": count(trained),
            }
            lines.append((say("tokens"), say("{tokens}, {share} trained ({trained})", **values)))
        lines.append((say("columns"), ", ".join(written[0].columns)))
        if self.labels:
            lines.append((say("labels"), self.labels))
        return [*lines, (say("files"), count(sum(len(part.files) for part in written)))]

    def to_dict(self) -> dict[str, Any]:
        """As ``turnmill export --json`` prints it."""
        return {
            "path": str(self.path),
            "to": self.to,
            "labels": self.labels,
            "parts": {name: _counted(part) for name, part in self.parts.items()},
            "notes": self.notes,
        }


def _counted(part: Written) -> dict[str, Any]:
    return {
        "rows": part.rows,
        "tokens": part.tokens,
        "trained_tokens": part.trained,
        "columns": part.columns,
        "left_out": part.left_out,
        "files": part.files,
    }
