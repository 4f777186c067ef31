"""The forms that an export can have, for help and for errors."""

from __future__ import annotations

TARGETS: dict[str, str] = {
    "datasets": "a directory for datasets.load_from_disk, all columns",
    "parquet": "Parquet files, all columns",
    "trl": "SFTTrainer of TRL; with --packed rows for padding_free",
    "axolotl": "Axolotl, as tokenized data",
    "llama-factory": "tokenized_path of LLaMA-Factory; with --packed its neat packing",
    "megatron": ".bin and .idx of Megatron, with the loss mask in a second pair",
    "nemo": "packed Parquet of Megatron-Bridge and NeMo (needs --packed)",
    "mds": "MosaicML's MDS, for StreamingDataset",
    "llm-foundry": "MDS in turns, for the fine-tuning loader of llm-foundry",
    "numpy": "flat arrays that numpy maps into memory",
    "messages": "the checked conversations, for trainers that tokenize themselves",
}
"""Every form with its meaning. The modules of `targets` write them."""
