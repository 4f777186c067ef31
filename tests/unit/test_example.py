"""The example why-terminators-matter: its gradients, and a short version of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from fixtures import ROOT

EXAMPLE = ROOT / "examples" / "why-terminators-matter"


@pytest.fixture(autouse=True, scope="module")
def _importable():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLE))
        yield
        for name in ("tiny_model",):
            sys.modules.pop(name, None)


def test_gradients_are_those_of_small_differences() -> None:
    from tiny_model import TinyModel

    model = TinyModel(vocabulary=11, context=9, seed=0)
    model.weights = {name: value.astype(np.float64) for name, value in model.weights.items()}
    source = np.random.default_rng(1)
    ids = source.integers(0, 11, (3, 9))
    labels = np.where(source.random(ids.shape) < 0.6, ids, -100)
    _, gradients = model.gradients(ids, labels)
    for name, weights in model.weights.items():
        for place in np.ndindex(2, 3):
            kept, ends = weights[place], []
            for change in (1e-5, -1e-5):
                weights[place] = kept + change
                ends.append(model.gradients(ids, labels)[0])
            weights[place] = kept
            slope = (ends[0] - ends[1]) / 2e-5
            assert gradients[name][place] == pytest.approx(slope, abs=1e-7), (name, place)


@pytest.mark.slow
def test_the_short_version_shows_what_the_long_one_does(tmp_path: Path) -> None:
    figures, picture = tmp_path / "figures.json", tmp_path / "result.svg"
    kinds = ["correct", "no terminator"]
    words = ["--seeds", "1", "--steps", "150", "--prompts", "8", "--only", *kinds]
    words += ["--json", str(figures), "--plot", str(picture)]
    run = subprocess.run(
        [sys.executable, EXAMPLE / "why_terminators_matter.py", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    good, bad = json.loads(figures.read_text("utf-8"))
    assert good["stops"] >= 0.9
    assert bad["stops"] == 0
    assert bad["repeats"] > 0.5
    assert abs(bad["answer_loss"] - good["answer_loss"]) < 0.3, "the loss looks healthy"
    assert bad["end_loss"] > good["end_loss"] + 3
    assert "| correct | 1" in run.stdout
    assert "`missing-terminator` |" in run.stdout
    assert len(ET.parse(picture).findall(".//{*}circle")) == len(kinds)


def test_its_document_tells_of_the_picture_that_is_there() -> None:
    picture = ET.parse(EXAMPLE / "result.svg")
    (title,) = picture.findall("{*}title")
    shown = dict(re.findall(r"(?:: |, )([\w ]+?) (\d+) %", title.text))
    table = re.findall(r"^\| ([\w ]+) \| (\d+)%", (EXAMPLE / "README.md").read_text("utf-8"), re.M)
    assert shown == dict(table)
    assert len(shown) == 4
