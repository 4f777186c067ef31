"""``next:`` lines: trainer settings that neither cut the samples nor train what is masked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NextStep:
    """What to write into the configuration of one trainer."""

    trainer: str
    lines: tuple[str, ...]
    reason: str


def next_steps(output: str, longest: int, format_: str) -> list[NextStep]:
    """Settings for TRL, Axolotl and LLaMA-Factory.

    Args:
        output: The output directory, as the user gave it.
        longest: The length of the longest sample in tokens.
        format_: ``arrow`` or ``parquet``.
    """
    return [_trl(output, format_), _axolotl(output, longest), _llama_factory(output, format_)]


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


def _axolotl(output: str, longest: int) -> NextStep:
    return NextStep(
        "Axolotl",
        ("datasets:", f"  - path: {output}", f"sequence_len: {longest}"),
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
