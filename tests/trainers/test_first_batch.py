"""The callback inside the Trainer of transformers; needs torch: `pip install '.[trainers]'`."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import pytest

import turnmill
from turnmill.errors import DataError
from turnmill.integrations.transformers import FirstBatchCheck

torch = pytest.importorskip("torch", reason="the extra `trainers` is not installed")
pytest.importorskip("accelerate", reason="the extra `trainers` is not installed")
transformers = pytest.importorskip("transformers")
datasets = pytest.importorskip("datasets")

TOKENIZER = Path(turnmill.__file__).parent / "demo" / "tokenizer"


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(str(TOKENIZER))


@pytest.fixture(scope="module")
def pad_is_eos(tokenizer):
    """The tokenizer as tutorials set it."""
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    words = ["red", "blue", "green", "one", "two", "three", "cat"]
    source = random.Random(3)
    rows = []
    for _ in range(200):
        said = " ".join(source.choices(words, k=source.randint(2, 8)))
        user = {"role": "user", "content": f"Say: {said}"}
        rows.append({"messages": [user, {"role": "assistant", "content": said}]})
    folder = tmp_path_factory.mktemp("data") / "out"
    turnmill.prepare(rows, folder, turnmill.Recipe(tokenizer=str(TOKENIZER)))
    return datasets.load_from_disk(str(folder)).select_columns(
        ["input_ids", "labels", "attention_mask"]
    )


def train(data, collator, callbacks, folder):
    """Five steps of a tiny model; what each training step got, and its losses."""
    seen = []

    class Recording(transformers.Trainer):  # type: ignore[name-defined]
        def training_step(self, model, inputs, *arguments, **keys):
            seen.append({name: value.cpu().clone() for name, value in inputs.items()})
            return super().training_step(model, inputs, *arguments, **keys)

    transformers.set_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=4096,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    trainer = Recording(
        model=transformers.LlamaForCausalLM(config),
        args=transformers.TrainingArguments(
            output_dir=str(folder),
            per_device_train_batch_size=16,
            max_steps=5,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            seed=1,
            disable_tqdm=True,
            use_cpu=True,
        ),
        train_dataset=data,
        data_collator=collator,
        callbacks=callbacks,
    )
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry], seen


class Recorded(FirstBatchCheck):
    """The callback, with the batches it was given."""

    def check(self, batch):
        self.batches = [*getattr(self, "batches", []), dict(batch)]
        return super().check(batch)


def padded(tokenizer):
    return transformers.DataCollatorForSeq2Seq(tokenizer, padding=True)


def test_it_checks_the_very_batch_that_is_trained_first(data, tokenizer, tmp_path):
    callback = Recorded(tokenizer)
    _, seen = train(data, padded(tokenizer), [callback], tmp_path)
    (checked,) = callback.batches
    for column in ("input_ids", "labels"):
        assert torch.equal(checked[column].cpu(), seen[0][column])
    assert callback.findings.ok
    assert callback.findings.rows == 16


def test_it_changes_nothing_of_the_training(data, tokenizer, tmp_path):
    losses, seen = train(data, padded(tokenizer), [FirstBatchCheck(TOKENIZER)], tmp_path)
    plain_losses, plain_seen = train(data, padded(tokenizer), [], tmp_path)
    assert losses == pytest.approx(plain_losses, rel=1e-3)
    assert len(seen) == len(plain_seen) == 5
    assert all(
        torch.equal(one["input_ids"], other["input_ids"])
        for one, other in zip(seen, plain_seen, strict=True)
    )


def test_padding_with_the_terminator_passes_where_labels_are_padded_apart(
    data, pad_is_eos, tmp_path
):
    callback = FirstBatchCheck(TOKENIZER)
    train(data, padded(pad_is_eos), [callback], tmp_path)
    assert callback.findings.ok


def language_modeling(tokenizer):
    """Labels made from the ids, every pad id masked."""
    inner = transformers.DataCollatorForLanguageModeling(tokenizer, mlm=False)
    keep = ("input_ids", "attention_mask")
    return lambda rows: inner([{name: row[name] for name in keep} for row in rows])


def masks_by_id(tokenizer):
    """The labels of the data set, masked where the id is that of the pad token."""

    def collate(rows):
        batch = padded(tokenizer)(rows)
        batch["labels"][batch["input_ids"] == tokenizer.pad_token_id] = -100
        return batch

    return collate


def cuts(tokenizer):
    """Rows cut at two thirds of the longest."""

    def collate(rows):
        batch = padded(tokenizer)(rows)
        length = batch["input_ids"].shape[1] * 2 // 3
        return {name: values[:, :length] for name, values in batch.items()}

    return collate


@pytest.mark.parametrize(
    ("collator", "rule"),
    [
        (language_modeling, "terminator-masked"),
        (masks_by_id, "terminator-masked"),
        (cuts, "truncated-terminator"),
    ],
)
def test_a_collator_that_hides_terminators_ends_the_training_before_its_first_step(
    data, pad_is_eos, tmp_path, collator, rule
):
    callback = FirstBatchCheck(TOKENIZER)
    with pytest.raises(DataError, match=rule):
        train(data, collator(pad_is_eos), [callback], tmp_path)
    assert rule in callback.findings.rules
