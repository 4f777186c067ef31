"""`turnmill check OUT` of what `prepare` just wrote finds nothing that `prepare` did not say.

What it said: the rules of its closing table, with rejects, and the findings that hold for every
row. Rules of severity info are not asked for.
"""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import tokenizers

import models
import turnmill
from cases import shapes
from fixtures import (
    PUBLISHED,
    SHARED,
    SMALL,
    built_in_templates,
    present,
    rows,
    spread,
    stops,
    template_text,
    tokenizer_dir,
    untagged_templates,
)

SETS = {
    "demo-alpaca": ("demo-alpaca", {}),
    "demo-sharegpt": ("demo-sharegpt", {}),
    "demo-messages": ("demo-messages", {"history": "last-turn"}),
    "demo-function-calls": ("demo-function-calls", {"history": "expand"}),
    "demo-parts": ("demo-parts", {"train_on": "last-turn", "history": "as-rendered"}),
}
PUBLISHED_SETS = {
    "alpaca-zh": ("alpaca_zh_20k.json.zst", {}),
    "sharegpt": ("sharegpt_dev.jsonl.zst", {}),
    "tau-bench": ("tau_bench_airline_gpt4o_dev.jsonl.zst", {"ignore": ["reward"]}),
    "glaive": ("llamafactory/glaive_toolcall_en_demo.json", {"history": "expand"}),
    "reason-tool-use": ("llamafactory/reason_tool_use_demo_50.jsonl", {"history": "expand"}),
    "v1-sft": ("llamafactory/v1_sft_demo.jsonl", {"train_on": "last-turn"}),
}
DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
REFUSALS = {
    None,
    "all-rejected",
    "reasoning-dropped",
    "spans-refused",
    "terminator-not-atomic",
    "wrong-terminator",
}
MARKER = re.compile(r"<[|｜][^|｜<>\s]{1,30}[|｜]>|<\|?[a-z_]+\|?>|\[/?[A-Z_]+\]")
"""Texts in a template that look like control tokens."""
ROLES = ("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>", "<|tool|>")
"""Markers that a template may make of the name of a role."""
SPECIAL = {"eos_token": "<|im_end|>", "bos_token": "<|endoftext|>"}


def unsaid(data: Any, place: Path, recipe: turnmill.Recipe) -> dict[str, str]:
    """What a check of the output finds and `prepare` did not say, each with its first note."""
    run = turnmill.prepare(data, place, recipe)
    said = {*run.totals.rules, *(item["rule"] for item in run.facts["findings"])}
    found = turnmill.check(place).rules
    return {
        name: str(finding.evidence[0])[:300]
        for name, finding in found.items()
        if finding.severity != "info" and name not in said
    }


def some(name: str, count: int) -> list[Any]:
    return list(spread(rows(name), count))[:count]


def assert_said(data: Any, place: Path, **keys: Any) -> None:
    """A refusal, or a run that rejects all rows, has said enough."""
    missing: dict[str, str] = {}
    code = None
    try:
        missing = unsaid(data, place, turnmill.Recipe(max_rejects=1.0, **keys))
    except turnmill.TurnmillError as error:
        code = error.code
    assert code in REFUSALS
    assert not missing


@pytest.mark.parametrize(("model", "name"), [*product(SMALL, SETS)])
def test_a_model_of_ours(model: str, name: str, tmp_path: Path) -> None:
    file, keys = SETS[name]
    place = tokenizer_dir(model)
    assert_said(some(file, 12), tmp_path / "out", tokenizer=place, stop=stops(model), **keys)


@pytest.mark.full
@pytest.mark.parametrize(("model", "name"), [*product(PUBLISHED, SETS | PUBLISHED_SETS)])
def test_a_published_model(model: str, name: str, tmp_path: Path) -> None:
    file, keys = (SETS | PUBLISHED_SETS)[name]
    place = tokenizer_dir(model)
    assert_said(some(file, 100), tmp_path / "out", tokenizer=place, stop=stops(model), **keys)


LATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}"
    "{% if message['role'] == 'assistant' and loop.previtem['role'] == 'tool' %}:again{% endif %}"
    "{{ '\\n' + message['content'] }}"
    "{% for call in message['tool_calls'] or [] %}{{ call['function'] | tojson }}{% endfor %}"
    "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant{{ '\\n' }}{% endif %}"
)
"""A template whose generation prompt is not the header of a turn that follows a tool's result."""


@pytest.mark.parametrize("threads", [1, 3])
def test_a_kind_of_turn_that_comes_late_is_replayed(threads: int, tmp_path: Path) -> None:
    plain = {"messages": [shapes.user(), shapes.assistant()]}
    called = [shapes.user(), shapes.calling(shapes.ADD), shapes.tool(), shapes.assistant()]
    data = [plain] * 400 + [{"messages": called}] * 3
    recipe = turnmill.Recipe(tokenizer=DEMO, template=LATE, stop=["<|im_end|>"])
    run = turnmill.prepare(data, tmp_path / "out", recipe, threads=threads)
    assert run.totals.rules["prompt-parity"] == 1
    assert not unsaid(data, tmp_path / "again", recipe)


@cache
def marked(source: str, place: Path) -> Path:
    """A model of ours whose tokenizer has the markers of a template as control tokens."""
    place.mkdir()
    markers = dict.fromkeys([*MARKER.findall(source), *ROLES, "<|im_end|>"])
    tokenizer = tokenizers.Tokenizer.from_file(str(models.folder("qwen3") / "tokenizer.json"))
    tokenizer.add_special_tokens(list(markers))
    tokenizer.save(str(place / "tokenizer.json"))
    config = {**SPECIAL, "chat_template": source}
    (place / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return place


def stop_of(source: str) -> list[str]:
    """The tokens by which a template ends turns."""
    study = turnmill.Template(source, special_tokens=SPECIAL).study()
    ends = [study["final_terminator"], *study["role_markers"].values()]
    found = [marker for end in ends for marker in MARKER.findall(end)[:1]]
    return list(dict.fromkeys(found)) or [SPECIAL["eos_token"]]


def assert_template(source: str, name: str, count: int, place: Path) -> None:
    file, keys = (SETS | PUBLISHED_SETS)[name]
    directory = marked(source, place / "model")
    keys = {"tokenizer": directory, "stop": stop_of(source), **dict(keys)}
    assert_said(some(file, count), place / "out", **keys)


QUICK_TEMPLATES = [
    *untagged_templates()[::3],
    "unseen/glm-style",
    "unseen/gemma-4-style",
    "unseen/harmony",
]


@pytest.mark.parametrize("template", QUICK_TEMPLATES)
@pytest.mark.parametrize("name", ["demo-sharegpt", "demo-messages"])
def test_a_template(template: str, name: str, tmp_path: Path) -> None:
    assert_template(template_text(template), name, 8, tmp_path)


def every_template() -> list[str]:
    unseen = [f"unseen/{path.stem}" for path in sorted(models.UNSEEN.glob("*.jinja"))]
    names = [*built_in_templates(), *untagged_templates(), *unseen]
    if present():
        names += sorted(path.stem for path in (SHARED / "chat_templates").glob("*.jinja"))
    return names


@pytest.mark.full
@pytest.mark.parametrize(("template", "name"), [*product(every_template(), SETS)])
def test_every_template(template: str, name: str, tmp_path: Path) -> None:
    assert_template(template_text(template), name, 40, tmp_path)
