"""The closing table of ``turnmill pack``: the packing report, and what trainers need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnmill._terminal import Terminal, count, share, table, visible

if TYPE_CHECKING:
    from turnmill.packing.packs import Pack


def closing(pack: Pack, talk: Terminal) -> list[str]:
    """The lines that ``turnmill pack`` ends with, and that ``print(pack)`` prints."""
    return [*table([*_contents(pack), *_mixing(pack), *_files(pack, talk)]), "", *_next(pack, talk)]


def _contents(pack: Pack) -> list[tuple[str, str]]:
    report = pack.report
    per_pack = report.documents_per_pack
    spread = "  ".join(f"{name} {per_pack[name]:,.4g}" for name in ("min", "median", "mean", "max"))
    lines = [
        (
            "packs",
            f"{count(report.packs)} of {count(pack.length)} tokens, {_fill(report.fill)} full",
        ),
        ("at best", f"{count(report.fewest_packs)} packs, by the lengths"),
        ("documents", f"{count(report.documents)}, {count(report.tokens)} tokens"),
        ("in a pack", f"{spread} documents"),
    ]
    if report.cut:
        lines.append(("cut", f"{count(report.cut)} documents stand in more than one pack"))
    if report.alone:
        lines.append(("alone", f"{count(report.alone)} documents longer than a pack"))
    if report.left_out:
        lost = f"{count(report.left_out)} documents longer than a pack"
        lines.append(("left out", f"{lost}, {count(report.left_out_tokens)} tokens"))
    return lines


def _fill(fill: float) -> str:
    """Three digits of what is missing: 99.98 % and 99 % are far apart."""
    return f"{100 * fill:.2f} %"


def _mixing(pack: Pack) -> list[tuple[str, str]]:
    report = pack.report
    mixed = f"{share(report.mixed_attention, 1)} of attention would join different documents"
    order = f"{report.length_correlation:+.2f} between place and length of documents"
    return [("mixing", f"{mixed}, without boundaries"), ("order", order)]


def _files(pack: Pack, talk: Terminal) -> list[tuple[str, str]]:
    lines = []
    if pack.rows is not None:
        rows = pack.rows
        trained = f"{count(rows['trained_tokens'])} trained tokens"
        masked = rows["masked_first_labels"]
        note = f"; {count(masked)} first labels of documents masked" if masked else ""
        lines.append(("rows", f"{', '.join(rows['columns'])}; {trained}{note}"))
    return [*lines, ("output", talk.style(visible(str(pack.path)), "cyan"))]


def _next(pack: Pack, talk: Terminal) -> list[str]:
    lines = []
    for step in pack.next_steps:
        lines.append(f"{talk.style('next', 'bold', 'green')}: {step.trainer}: {step.reason}")
        lines += [f"    {visible(line)}" for line in step.lines]
    return lines
