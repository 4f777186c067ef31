"""The forms that an export can have. The one place where a form is registered."""

from __future__ import annotations

TARGETS: dict[str, tuple[str, str]] = {
    "datasets": (
        "directories:DATASETS",
        "a directory for datasets.load_from_disk, all columns",
    ),
    "parquet": (
        "parquet:PARQUET_FILES",
        "Parquet files, all columns",
    ),
    "trl": (
        "directories:TRL",
        "SFTTrainer of TRL; with --packed rows for padding_free",
    ),
    "axolotl": (
        "directories:AXOLOTL",
        "Axolotl, as tokenized data",
    ),
    "llama-factory": (
        "directories:LLAMA_FACTORY",
        "tokenized_path of LLaMA-Factory; with --packed its neat packing",
    ),
    "megatron": (
        "megatron:MEGATRON",
        ".bin and .idx of Megatron, with the loss mask in a second pair",
    ),
    "nemo": (
        "nemo:NEMO",
        "packed Parquet of Megatron-Bridge and NeMo (needs --packed)",
    ),
    "mds": (
        "mds:MDS",
        "MosaicML's MDS, for StreamingDataset",
    ),
    "llm-foundry": (
        "mds:LLM_FOUNDRY",
        "MDS in turns, for the fine-tuning loader of llm-foundry",
    ),
    "numpy": (
        "arrays:ARRAYS",
        "flat arrays that numpy maps into memory",
    ),
    "messages": (
        "messages:MESSAGES",
        "the checked conversations, for trainers that tokenize themselves",
    ),
}
"""Every form: the module of `targets` and the name in it that writes it, and its meaning.

Command line, errors and help use the table. No target is imported before it is asked for.
"""
