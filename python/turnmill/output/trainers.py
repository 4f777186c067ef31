"""The ``next:`` lines: trainer settings that neither cut samples nor train masked tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from turnmill.output.formats import Format, Loading

_NEEDED = ("input_ids", "labels", "attention_mask")
"""Columns by which Axolotl and LLaMA-Factory recognize tokenized data."""


@dataclass(frozen=True)
class NextStep:
    """What to write into the configuration of one trainer."""

    trainer: str
    lines: tuple[str, ...]
    reason: str


def next_steps(
    output: str, format_: Format, longest: int, columns: Sequence[str]
) -> list[NextStep]:
    """Settings for TRL, Axolotl and LLaMA-Factory.

    Args:
        output: The output directory, as the user gave it.
        format_: The format of its data files.
        longest: The length of the longest sample in tokens.
        columns: The columns of the data files.
    """
    loading = format_.loading(output)
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        others = [_lacking(trainer, missing) for trainer in ("Axolotl", "LLaMA-Factory")]
        return [_trl(loading), *others]
    return [_trl(loading), _axolotl(loading, longest), _llama_factory(loading, format_)]


def _lacking(trainer: str, missing: list[str]) -> NextStep:
    return NextStep(
        trainer,
        (f"columns: {', '.join(missing)} are missing; name every column with --columns",),
        "it takes data as tokenized only if it has input_ids, labels and attention_mask",
    )


def _trl(loading: Loading) -> NextStep:
    return NextStep(
        "TRL",
        (
            f"SFTTrainer(train_dataset={loading.trl},",
            "           args=SFTConfig(max_length=None, packing=False), ...)",
        ),
        "max_length is 1024 by default: longer samples would lose their terminator",
    )


def _axolotl(loading: Loading, longest: int) -> NextStep:
    first, *others = loading.axolotl
    if "://" in first:
        first += "  # a local copy of it"
    return NextStep(
        "Axolotl",
        ("datasets:", first, *others, f"sequence_len: {longest}"),
        "give no `type:`, or it tokenizes again; samples over sequence_len are dropped",
    )


def _llama_factory(loading: Loading, format_: Format) -> NextStep:
    if loading.llama_factory is None:
        return NextStep(
            "LLaMA-Factory",
            (f"tokenized_path: needs the Arrow form; run prepare without --format {format_.name}",),
            "it loads tokenized data with load_from_disk only",
        )
    return NextStep(
        "LLaMA-Factory",
        (f"tokenized_path: {loading.llama_factory}",),
        "cutoff_len and dataset are not applied to tokenized data",
    )
