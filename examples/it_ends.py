"""Train a tiny model twice on the same data, once without the labels of the terminators.

    pip install '.[trainers]'
    python examples/it_ends.py

The data is made here (the task is to repeat some words) and prepared by turnmill with the small
tokenizer in the package. A randomly initialised Llama learns it with the Trainer of transformers;
`FirstBatchCheck` looks at the first batch. The second training gets the same rows, but the label of
every stop token is masked, as by a collator that masks the pad token if it is the terminator too.
Then both models answer prompts that they have not seen. The table shows what no loss curve shows:
the loss of the answers is the same, and one of the two never stops. Takes about a minute on a GPU.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path
from typing import Any, Literal

import datasets
import torch
import transformers

import turnmill
from turnmill.integrations.transformers import FirstBatchCheck

TOKENIZER = Path(turnmill.__file__).parent / "demo" / "tokenizer"
WORDS = [
    *("red", "blue", "green", "black", "white", "one", "two", "three", "four", "five"),
    *("cat", "dog", "fish", "bird", "horse", "tree", "leaf", "rain", "snow", "wind"),
]
IGNORED = -100


def conversation(source: random.Random) -> dict[str, Any]:
    """A request to say some words, and the words."""
    words = " ".join(source.choices(WORDS, k=source.randint(2, 8)))
    return {
        "messages": [
            {"role": "user", "content": f"Say: {words}"},
            {"role": "assistant", "content": words},
        ]
    }


def prepare(rows: list[dict[str, Any]], folder: Path) -> datasets.Dataset:
    """The rows as a data set made by turnmill, checked from the written files."""
    turnmill.prepare(rows, folder, turnmill.Recipe(tokenizer=str(TOKENIZER)))
    findings = turnmill.check(folder)
    assert findings.ok, str(findings)
    return datasets.load_from_disk(str(folder)).select_columns(
        ["input_ids", "labels", "attention_mask"]
    )


def without_terminators(data: datasets.Dataset, stops: list[int]) -> datasets.Dataset:
    """The same rows; no stop token has a label."""

    def mask(row: dict[str, Any]) -> dict[str, Any]:
        return {"labels": [IGNORED if label in stops else label for label in row["labels"]]}

    return data.map(mask)


def tiny_model(tokenizer: Any, seed: int) -> Any:
    """A Llama of a few hundred thousand weights."""
    transformers.set_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
    )
    return transformers.LlamaForCausalLM(config)


def train(
    data: datasets.Dataset,
    tokenizer: Any,
    options: argparse.Namespace,
    on_error: Literal["raise", "warn"],
) -> Any:
    """The model after some steps of the Trainer, as a user would call it."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = transformers.Trainer(
            model=tiny_model(tokenizer, options.seed),
            args=transformers.TrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=64,
                max_steps=options.steps,
                learning_rate=1e-3,
                lr_scheduler_type="cosine",
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                seed=options.seed,
                disable_tqdm=True,
            ),
            train_dataset=data,
            data_collator=transformers.DataCollatorForSeq2Seq(tokenizer, padding=True),
            callbacks=[FirstBatchCheck(TOKENIZER, on_error=on_error)],
        )
        trainer.train()
    return trainer.model.eval()


def losses(model: Any, data: datasets.Dataset, tokenizer: Any, stops: list[int]) -> list[float]:
    """The mean loss of the answers' words, and that of their stop tokens."""
    rows = [data[index] for index in range(256)]
    batch = transformers.DataCollatorForSeq2Seq(tokenizer, padding=True)(rows).to(model.device)
    targets = batch.pop("labels")[:, 1:]
    with torch.no_grad():
        logits = model(**batch).logits[:, :-1].float()
    each = torch.nn.functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    ends = torch.isin(targets, torch.tensor(stops, device=model.device))
    return [each[where].mean().item() for where in ((targets != IGNORED) & ~ends, ends)]


def answers(model: Any, rows: list[dict[str, Any]], stops: list[int]) -> list[list[int]]:
    """The ids that the model gives to each prompt, with room for twice the answer and more."""
    template, tokenizer = turnmill.Template(TOKENIZER), turnmill.Tokenizer(TOKENIZER)
    given = []
    for row in rows:
        text = template.render(row["messages"][:-1], add_generation_prompt=True).text
        prompt = torch.tensor([tokenizer.encode(text).tolist()], device=model.device)
        with torch.no_grad():
            output = model.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=64,
                do_sample=False,
                eos_token_id=stops,
                pad_token_id=stops[0],
            )
        given.append(output[0, prompt.shape[1] :].tolist())
    return given


def main() -> None:
    """Trains both and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    source = random.Random(options.seed)
    held_out = [conversation(source) for _ in range(options.prompts)]
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(TOKENIZER))
    with tempfile.TemporaryDirectory() as folder:
        rows = [conversation(source) for _ in range(options.rows)]
        data = prepare(rows, Path(folder) / "data")
        serving = Path(folder) / "data" / "serving" / "generation_config.json"
        stops: list[int] = json.loads(serving.read_text())["eos_token_id"]
        table = ["| | loss of the answer | loss of the terminator | stops | an example |"]
        table.append("| --- | ---: | ---: | ---: | --- |")
        for name, labelled in (
            ("terminator trained", data),
            ("terminator masked", without_terminators(data, stops)),
        ):
            # The callback would end the second training before its first step.
            model = train(labelled, tokenizer, options, "raise" if labelled is data else "warn")
            answer, end = losses(model, data, tokenizer, stops)
            given = answers(model, held_out, stops)
            ended = sum(ids[-1] in stops for ids in given) / len(given)
            example = tokenizer.decode(given[0])[:72]
            table.append(f"| {name} | {answer:.4f} | {end:.4f} | {ended:.0%} | `{example}` |")
    print("\n".join(table))


if __name__ == "__main__":
    main()
