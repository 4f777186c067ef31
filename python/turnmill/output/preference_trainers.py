"""The ``next:`` lines for outputs in which answers are judged."""

from __future__ import annotations

from collections.abc import Sequence

from turnmill.output.answers import JUDGED, LABELLED, PAIRED, WHOLE
from turnmill.output.formats import Format, Loading
from turnmill.output.trainer_step import NextStep

_SUBCLASS = "the trainer tokenizes whatever it is given unless a subclass leaves that out"


def preference_steps(
    columns: Sequence[str], loading: Loading, output: Loading, format_: Format
) -> list[NextStep]:
    """Settings for the trainers that take pairs, or answers with a label.

    Args:
        columns: The columns of the data files.
        loading: How the data to train on is loaded.
        output: How the whole output is.
        format_: The format of its data files.
    """
    if "label" in columns:
        return [_kto(loading, columns)]
    return [
        _dpo(loading, columns),
        _reward(loading, columns),
        _llama_factory(output, format_, columns),
    ]


def _lacking(trainer: str, wanted: Sequence[str]) -> NextStep:
    line = f"write its columns with --columns {','.join(wanted)}"
    return NextStep(trainer, (line,), "it takes tokenized data under these names only", line)


def _dpo(loading: Loading, columns: Sequence[str]) -> NextStep:
    name = "TRL DPOTrainer"
    if any(column not in columns for column in PAIRED):
        return _lacking(name, PAIRED)
    given = f"train_dataset={loading.trl}, args=DPOConfig(max_length=None)"
    return NextStep(
        name,
        (
            "class PreparedDPOTrainer(DPOTrainer):",
            "    def _prepare_dataset(self, dataset, *_):",
            "        return dataset",
            f"PreparedDPOTrainer({given}, ...)",
        ),
        _SUBCLASS,
        f"{given}, in a subclass whose _prepare_dataset returns the data set as it is: {_SUBCLASS}",
    )


def _kto(loading: Loading, columns: Sequence[str]) -> NextStep:
    name = "TRL KTOTrainer"
    if any(column not in columns for column in JUDGED):
        return _lacking(name, JUDGED)
    given = f"train_dataset={loading.trl}, args=KTOConfig(max_length=None)"
    return NextStep(
        name,
        (
            "class PreparedKTOTrainer(KTOTrainer):",
            "    def _prepare_dataset(self, dataset, _, args, __):",
            "        def shifted(rows):",
            '            answers = rows["completion_ids"]',
            '            return {"KL_completion_ids": answers[-1:] + answers[:-1]}',
            "        size = args.per_device_train_batch_size",
            "        return dataset.map(shifted, batched=True, batch_size=size)",
            f"PreparedKTOTrainer({given}, ...)",
        ),
        _SUBCLASS,
        f"{given}, in a subclass whose _prepare_dataset adds KL_completion_ids "
        f"(docs/preference.md): {_SUBCLASS}",
    )


def _reward(loading: Loading, columns: Sequence[str]) -> NextStep:
    name = "TRL RewardTrainer"
    if "prompt_ids" in columns or any(column not in columns for column in WHOLE):
        return _lacking(name, WHOLE)
    line = f"RewardTrainer(train_dataset={loading.trl}, args=RewardConfig(max_length=None), ...)"
    return NextStep(name, (line,), "longer pairs than max_length would be left out", line)


def _llama_factory(output: Loading, format_: Format, columns: Sequence[str]) -> NextStep:
    name = "LLaMA-Factory"
    if any(column not in columns for column in LABELLED):
        return _lacking(name, LABELLED)
    if output.llama_factory is None:
        line = f"tokenized_path: needs the Arrow form; run prepare without --format {format_.name}"
        return NextStep(name, (line,), "it loads tokenized data with load_from_disk only", line)
    line = f"dataset: tokenized, tokenized_path: {output.llama_factory}, stage: dpo or rm"
    reason = "it wants some `dataset`, and reads neither that nor cutoff_len where this is set"
    return NextStep(name, (line,), reason, line)
