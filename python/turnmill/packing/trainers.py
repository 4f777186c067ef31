"""What each trainer needs so that attention does not mix the documents of a packed row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from turnmill.output import trainers
from turnmill.output.formats import Format
from turnmill.output.trainer_step import NextStep


def next_steps(
    output: str,
    pack: str,
    length: int,
    *,
    unwritten: str | None,
    format_: Format,
    columns: Sequence[str],
    apart: bool,
) -> list[NextStep]:
    """Settings for trainers.

    Args:
        output: The output directory.
        pack: The directory of the pack inside it.
        length: Tokens of a packed row.
        unwritten: The command that writes the packed rows, if they are not written.
        format_: The format of the output.
        columns: The columns of its data files.
        apart: Whether the output has conversations that are set apart, which are not packed.
    """
    loaded = [_unwritten(unwritten)] if unwritten else [_trl(pack), _transformers(pack)]
    _, axolotl, llama_factory = trainers.next_steps(output, format_, length, columns, apart=apart)
    if "labels" in columns and "attention_mask" in columns:
        axolotl = _axolotl(axolotl)
        llama_factory = replace(llama_factory, reason=_ITS_OWN_FORM.format(pack))
    return [*loaded, _own_loop(pack), axolotl, llama_factory]


_ITS_OWN_FORM = "single samples; `turnmill export {} --to llama-factory` writes packed rows"


def _trl(pack: str) -> NextStep:
    return NextStep(
        "TRL",
        (
            f'SFTTrainer(train_dataset=load_from_disk("{pack}"),',
            "           args=SFTConfig(packing=False, padding_free=True, max_length=None), ...)",
            '# the model with attn_implementation="flash_attention_2"',
        ),
        "without padding_free it ignores seq_lengths, and max_length would cut rows",
    )


def _transformers(pack: str) -> NextStep:
    return NextStep(
        "transformers",
        (
            f'Trainer(train_dataset=load_from_disk("{pack}").remove_columns(',
            '            ["attention_mask", "seq_lengths"]),',
            "        args=TrainingArguments(per_device_train_batch_size=1), ...)",
        ),
        "position_ids keep documents apart where no attention mask is given; with flash attention "
        "only at batch size 1",
    )


def _unwritten(command: str) -> NextStep:
    return NextStep(
        "TRL and transformers",
        (command,),
        "they load rows, and this pack is only an index",
    )


def _own_loop(pack: str) -> NextStep:
    return NextStep(
        "your own loop",
        (f'turnmill.PackedDataset("{pack}", cu_seqlens=True)',),
        "cu_seqlens is what attention kernels of variable length take",
    )


def _axolotl(single: NextStep) -> NextStep:
    """The settings for single samples, which it packs itself."""
    reason = "it packs single samples itself, and would overwrite the position_ids of packed rows"
    return replace(single, lines=(*single.lines, "sample_packing: true"), reason=reason)
