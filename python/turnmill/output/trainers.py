"""The ``next:`` lines: trainer settings that neither cut samples nor train masked tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from turnmill.output.answers import answers
from turnmill.output.files import TRAIN, VALIDATION
from turnmill.output.formats import Format, Loading
from turnmill.output.preference_trainers import preference_steps
from turnmill.output.trainer_step import NextStep
from turnmill.storage.remote import below

__all__ = ["TOKENIZED", "NextStep", "next_steps", "prompt_steps", "usable_length"]

_NEEDED = ("input_ids", "labels", "attention_mask")
"""Columns by which Axolotl and LLaMA-Factory recognize tokenized data."""


TOKENIZED = "tokenized"
"""LLaMA-Factory refuses a training without the name of a data set, and this one is not read."""
_ROOM = 8192
"""A length that most trainers have memory for; longer samples are worth a word."""


def usable_length(lengths: Mapping[int, int]) -> int:
    """A length for trainers: that of the longest sample, unless a few are far longer than the rest.

    >>> usable_length({99: 700, 100: 5000}), usable_length({99: 3000, 100: 221_074})
    (5000, 4096)

    Args:
        lengths: Lengths by percentile.
    """
    longest = lengths.get(100, 0)
    if longest <= _ROOM:
        return longest
    return min(longest, 1 << (max(lengths[99], _ROOM // 2) - 1).bit_length())


def next_steps(
    output: str,
    format_: Format,
    length: int,
    columns: Sequence[str],
    *,
    apart: bool = False,
    longest: int | None = None,
) -> list[NextStep]:
    """Settings for TRL, Axolotl and LLaMA-Factory; of answers that are judged, for their trainers.

    Args:
        output: The output directory, as the user gave it.
        format_: The format of its data files.
        length: Tokens of the longest sample that the trainer takes.
        columns: The columns of the data files.
        apart: Whether some conversations are set apart for validation.
        longest: Tokens of the longest sample, if it may be said how TRL packs samples itself.
    """
    loading = format_.loading(below(output, TRAIN) if apart else output)
    if answers(columns):
        return preference_steps(columns, loading, format_.loading(output), format_)
    validation = format_.loading(below(output, VALIDATION)) if apart else None
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        others = [_lacking(trainer, missing) for trainer in ("Axolotl", "LLaMA-Factory")]
        return [_trl(loading, validation, longest), *others]
    return [
        _trl(loading, validation, longest),
        _axolotl(loading, validation, length),
        _llama_factory(format_.loading(output), format_),
    ]


def prompt_steps(output: str, format_: Format, *, apart: bool = False) -> list[NextStep]:
    """How prompts are used. The arguments are those of :func:`next_steps`."""
    loading = format_.loading(below(output, TRAIN) if apart else output)
    given = f'[{{"prompt_token_ids": row["input_ids"]}} for row in {loading.trl}]'
    render = f"turnmill export {output} --to messages -o DIR"
    return [
        NextStep(
            "vLLM", (f"llm.generate({given})",), "ids need no template", f"llm.generate({given})"
        ),
        NextStep(
            "TRL GRPOTrainer, verl",
            (render,),
            "they render the messages themselves; a prompt that is text would begin twice",
            f"{render}: they render the messages themselves",
        ),
    ]


def _lacking(trainer: str, missing: list[str]) -> NextStep:
    line = f"columns: {', '.join(missing)} are missing; name every column with --columns"
    reason = "it takes data as tokenized only if it has input_ids, labels and attention_mask"
    return NextStep(trainer, (line,), reason, line)


def _trl(loading: Loading, validation: Loading | None, longest: int | None) -> NextStep:
    short = f"eval_dataset={validation.trl}, " if validation else ""
    evaluated = [f"           {short.rstrip()}"] if validation else []
    return NextStep(
        "TRL",
        (
            f"SFTTrainer(train_dataset={loading.trl},",
            *evaluated,
            "           args=SFTConfig(max_length=None, packing=False), ...)",
            *_packed_by_trl(longest),
        ),
        "max_length is 1024 by default: longer samples would lose their terminator",
        f"SFTTrainer(train_dataset={loading.trl}, {short}"
        "args=SFTConfig(max_length=None, packing=False), ...)",
    )


def _packed_by_trl(longest: int | None) -> tuple[str, ...]:
    """How TRL packs samples without a cut: shorter than the longest, ``bfd`` would cut too."""
    if not longest:
        return ()
    packed = f'packing=True, packing_strategy="bfd", max_length={longest}'
    return (f"# or packed by TRL: {packed}", _NEVER)


_NEVER = '# never "wrapped" or "keep_end", which cut turns, nor assistant_only_loss'


def _axolotl(loading: Loading, validation: Loading | None, length: int) -> NextStep:
    tested = ("test_datasets:", *_entry(validation)) if validation else ()
    short = f", test_datasets: [{_flow(validation)}]" if validation else ""
    return NextStep(
        "Axolotl",
        ("datasets:", *_entry(loading), *tested, f"sequence_len: {length}"),
        "give no `type:`, or it tokenizes again; samples over sequence_len are dropped",
        f"datasets: [{_flow(loading)}]{short}, sequence_len: {length}, and no `type:`",
    )


def _flow(loading: Loading) -> str:
    entry = ", ".join(line.removeprefix("  - ").strip() for line in loading.axolotl)
    return f"{{{entry}}}"


def _entry(loading: Loading) -> tuple[str, ...]:
    first, *others = loading.axolotl
    if "://" in first:
        first += "  # a local copy of it"
    return (first, *others)


def _llama_factory(loading: Loading, format_: Format) -> NextStep:
    if loading.llama_factory is None:
        line = f"tokenized_path: needs the Arrow form; run prepare without --format {format_.name}"
        reason = "it loads tokenized data with load_from_disk only"
    else:
        line = f"tokenized_path: {loading.llama_factory}"
        reason = "it wants some `dataset`, and reads neither that nor cutoff_len where this is set"
        named = f"dataset: {TOKENIZED}"
        return NextStep("LLaMA-Factory", (named, line), reason, f"{named}, {line}")
    return NextStep("LLaMA-Factory", (line,), reason, line)
