"""``next:`` lines: trainer settings that neither cut the samples nor train what is masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_NEEDED = ("input_ids", "labels", "attention_mask")
"""Columns by which Axolotl and LLaMA-Factory know data that is tokenized."""


@dataclass(frozen=True)
class NextStep:
    """What to write into the configuration of one trainer."""

    trainer: str
    lines: tuple[str, ...]
    reason: str


def next_steps(output: str, longest: int, format_: str, columns: Sequence[str]) -> list[NextStep]:
    """Settings for TRL, Axolotl and LLaMA-Factory.

    Args:
        output: The output directory, as the user gave it.
        longest: The length of the longest sample in tokens.
        format_: ``arrow`` or ``parquet``.
        columns: The columns of the data files.
    """
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        others = [_lacking(trainer, missing) for trainer in ("Axolotl", "LLaMA-Factory")]
        return [_trl(output, format_), *others]
    return [
        _trl(output, format_),
        _axolotl(output, longest, format_),
        _llama_factory(output, format_),
    ]


def _lacking(trainer: str, missing: list[str]) -> NextStep:
    return NextStep(
        trainer,
        (f"columns: {', '.join(missing)} are missing; name every column with --columns",),
        "it takes data for tokenized only where input_ids, labels and attention_mask are there",
    )


def _trl(output: str, format_: str) -> NextStep:
    load = f'load_from_disk("{output}")'
    if format_ == "parquet":
        load = f'load_dataset("parquet", data_files="{output}/data-*.parquet", split="train")'
    return NextStep(
        "TRL",
        (
            f"SFTTrainer(train_dataset={load},",
            "           args=SFTConfig(max_length=None, packing=False), ...)",
        ),
        "max_length is 1024 by default: longer samples would lose their terminator",
    )


def _axolotl(output: str, longest: int, format_: str) -> NextStep:
    where = [f"  - path: {output}"]
    if format_ == "parquet":
        # A directory given alone would be read with the index and the rejects in it.
        where += ["    ds_type: parquet", f"    data_files: {output}/data-*.parquet"]
        where += ["    split: train"]
    if "://" in output:
        where[0] += "  # a local copy of it"
    return NextStep(
        "Axolotl",
        ("datasets:", *where, f"sequence_len: {longest}"),
        "give no `type:`, or it tokenizes anew; samples over sequence_len are dropped",
    )


def _llama_factory(output: str, format_: str) -> NextStep:
    if format_ == "parquet":
        return NextStep(
            "LLaMA-Factory",
            ("tokenized_path: needs the Arrow form; run prepare without --format parquet",),
            "it loads tokenized data with load_from_disk only",
        )
    return NextStep(
        "LLaMA-Factory",
        (f"tokenized_path: {output}",),
        "cutoff_len and dataset are not applied to tokenized data",
    )
