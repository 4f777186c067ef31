"""The callback that looks at the first batch a trainer sees."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from transformers import TrainerCallback

import turnmill
from turnmill.errors import DataError
from turnmill.integrations.transformers import FirstBatchCheck

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"


def batch(*, masked):
    tokenizer = turnmill.Tokenizer(DEMO)
    stop = turnmill._core.stop_set(tokenizer._core)[0]
    ids = [*tokenizer.encode("Hello there. Yes").tolist(), stop]
    labels = [-100, -100, *ids[2:-1], -100 if masked else stop]
    return {"input_ids": np.array([ids]), "labels": np.array([labels])}


def test_the_training_does_not_start_on_a_batch_without_terminators():
    callback = FirstBatchCheck(DEMO)
    with pytest.raises(DataError, match="terminator-masked") as raised:
        callback.on_train_begin(None, None, None, train_dataloader=[batch(masked=True)])
    assert raised.value.code == "terminator-masked"
    assert callback.findings.rules["terminator-masked"].count == 1


def test_a_good_batch_passes():
    callback = FirstBatchCheck(DEMO)
    control = object()
    assert callback.on_train_begin(None, None, control, train_dataloader=[batch(masked=False)])
    assert callback.findings.ok


def test_the_training_draws_the_random_numbers_that_it_would_have_drawn():
    def shuffled():
        random.random()
        np.random.rand()
        yield batch(masked=False)

    random.seed(5)
    np.random.seed(5)
    expected = random.random(), np.random.rand()
    random.seed(5)
    np.random.seed(5)
    FirstBatchCheck(DEMO).on_train_begin(None, None, None, train_dataloader=shuffled())
    assert (random.random(), np.random.rand()) == expected


def test_a_warning_lets_it_start(capsys):
    callback = FirstBatchCheck(DEMO, on_error="warn")
    callback.on_train_begin(None, None, None, train_dataloader=[batch(masked=True)])
    assert "terminator-masked" in capsys.readouterr().err


@pytest.mark.parametrize(
    "column",
    [
        {"attention_mask": np.ones((1, 1, 9, 9), dtype=bool)},
        {"position_ids": np.zeros((3, 1, 9), dtype=int)},
        {"attention_mask": np.ones((1, 9), dtype=np.float32)},
        {"pixel_values": np.zeros((1, 3, 4, 4))},
    ],
)
def test_columns_of_other_shapes_hide_nothing(column):
    length = batch(masked=False)["input_ids"].shape[1]
    column = {name: values[..., :length] for name, values in column.items()}
    assert turnmill.check_batch({**batch(masked=False), **column}, DEMO).ok
    findings = turnmill.check_batch({**batch(masked=True), **column}, DEMO)
    assert findings.rules["terminator-masked"].count == 1


def test_a_list_of_rows_is_a_batch():
    rows = [
        {name: values[0].tolist() for name, values in batch(masked=masked).items()}
        for masked in (False, True)
    ]
    findings = turnmill.check_batch(rows, DEMO)
    assert findings.rules["terminator-masked"].evidence[0]["row"] == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "not a batch"),
        ({}, "holds nothing"),
        ({"input_ids": [[1], [2]], "labels": [[1]]}, "different numbers of rows"),
    ],
)
def test_what_is_no_batch(given, message):
    with pytest.raises(DataError, match=message):
        turnmill.check_batch(given, DEMO)


def test_it_answers_every_event_of_a_trainer_callback():
    callback = FirstBatchCheck(DEMO)
    control = object()
    for event in dir(TrainerCallback):
        if event.startswith("on_"):
            assert getattr(callback, event)(None, None, control, model=None) is control


def test_importing_it_imports_no_framework():
    code = (
        "import sys, turnmill.integrations.transformers\n"
        "print({'transformers', 'torch'} & set(sys.modules))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"
