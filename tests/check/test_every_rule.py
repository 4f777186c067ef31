"""Every rule of the list fires on data broken in its way, and not on a near miss.

`CASES` holds both for each rule; a rule without a case, or a case without a rule, fails the test.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import turnmill
from turnmill.check.findings import Findings
from turnmill.rules import rules

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
STOP, PAD, BOS = 2, 0, 3006
WORD, OTHER = 500, 501
"""Ids of ordinary tokens."""
HEADER = "<|im_start|>assistant\n"

Case = Callable[[Path], tuple[Findings, Findings]]
CASES: dict[str, Case] = {}


def case(name: str) -> Callable[[Case], Case]:
    def add(made: Case) -> Case:
        assert name not in CASES
        CASES[name] = made
        return made

    return add


def demo() -> turnmill.Tokenizer:
    return turnmill.Tokenizer(DEMO)


def ids(text: str) -> list[int]:
    return [int(id_) for id_ in demo().encode(text)]


def talk(*contents: Any, **answer: Any) -> dict[str, Any]:
    """A conversation of alternating roles; ``answer`` is added to the assistant's messages."""
    messages = []
    for place, content in enumerate(contents):
        role = "assistant" if place % 2 else "user"
        messages.append({"role": role, "content": content, **(answer if place % 2 else {})})
    return {"messages": messages}


GOOD = talk("Hi", "Hello!", "Bye", "Bye.")


def raw(*rows: Any, tokenizer: Path = DEMO, **recipe: Any) -> Findings:
    return turnmill.check(
        list(rows), tokenizer=tokenizer, recipe=turnmill.Recipe(tokenizer=tokenizer, **recipe)
    )


def pair(*, broken: Any, good: Any = GOOD, **recipe: Any) -> Case:
    """A raw row that breaks a rule and one that does not."""
    return lambda _: (raw(broken, **recipe), raw(good, **recipe))


def tokens(
    row: list[int] | list[list[int]], labels: Any, options: dict[str, Any], **columns: Any
) -> Findings:
    rows = row if row and isinstance(row[0], list) else [row]
    labels = labels if labels and isinstance(labels[0], list) else [labels]
    table = {"input_ids": rows, **({"labels": labels} if labels[0] is not None else {})}
    table.update({name: [value] for name, value in columns.items()})
    return turnmill.check(pa.table(table), **{"tokenizer": DEMO, **options})


def audit(row: list[int], trained: str, options: dict[str, Any] | None = None, **columns: Any):
    """Ids that are trained where ``trained`` has an ``x``."""
    assert len(row) == len(trained)
    labels = [id_ if mark == "x" else -100 for id_, mark in zip(row, trained, strict=True)]
    return tokens(row, labels, options or {}, **columns)


def audits(broken: tuple[Any, ...], good: tuple[Any, ...], **options: Any) -> Case:
    """Tokenized rows: ids and what is trained of them."""
    return lambda _: (audit(*broken, options), audit(*good, options))


def chat(text: str, trained: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """The ids of a rendered chat and labels on the pieces of it that are trained."""
    row: list[int] = []
    labels: list[int] = []
    for piece in trained:
        before, _, text = text.partition(piece)
        for part, is_trained in ((ids(before), False), (ids(piece), True)):
            row += part
            labels += part if is_trained else [-100] * len(part)
    rest = ids(text)
    return row + rest, labels + [-100] * len(rest)


def chats(broken: tuple[str, tuple[str, ...]], good: tuple[str, tuple[str, ...]]) -> Case:
    return lambda _: (tokens(*chat(*broken), {}), tokens(*chat(*good), {}))


def copied(directory: Path, files: dict[str, str] | None = None, **config: Any) -> Path:
    """The demo tokenizer with other files and another tokenizer_config.json."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in DEMO.iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    for name, text in (files or {}).items():
        (directory / name).write_text(text)
    file = directory / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **config}))
    return directory


def with_token(directory: Path, content: str, *, template: str = "", **config: Any) -> Path:
    """The demo tokenizer with one more control token, id 3006."""
    spec = json.loads((DEMO / "tokenizer.json").read_text())
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    strip = config.pop("rstrip", False)
    spec["added_tokens"].append(
        {**flags, "id": BOS, "content": content, "special": True, "rstrip": strip}
    )
    source = template + (DEMO / "chat_template.jinja").read_text()
    files = {"tokenizer.json": json.dumps(spec), "chat_template.jinja": source}
    return copied(directory, files, **config)


def lines(place: Path, text: str) -> Findings:
    path = place / f"rows-{len(text)}.jsonl"
    path.write_text(text)
    return turnmill.check(path, tokenizer=DEMO)


def templated(source: str) -> str:
    """ChatML whose messages print ``source``."""
    return (
        "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}"
        + source
        + "{{ '<|im_end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    )


PLAIN = templated("{{ message.content }}")
REASONED = talk("a", "b", "c", "d", reasoning_content="because")


def calling(arguments: Any) -> dict[str, Any]:
    """A conversation that ends in a tool call."""
    call = {"type": "function", "function": {"name": "f", "arguments": arguments}}
    return talk("Hi", "", tool_calls=[call])


def answered(result: Any) -> dict[str, Any]:
    """A conversation with a tool's result."""
    messages = calling({})["messages"]
    return {"messages": [*messages, {"role": "tool", "content": result}, *GOOD["messages"][3:]]}


def without_content(row: dict[str, Any]) -> dict[str, Any]:
    """The row with an answer that has no content."""
    user, answer = row["messages"]
    return {"messages": [user, {k: v for k, v in answer.items() if k != "content"}]}


def led_by(role: str) -> dict[str, Any]:
    """A conversation whose first message is of that role."""
    return {"messages": [{"role": role, "content": "Be brief."}, *GOOD["messages"]]}


# What the rows say.
CASES["schema-mismatch"] = pair(broken={"messages": "Hi"}, schema="messages")
CASES["judged-row"] = lambda _: (
    raw(*[GOOD] * 200, {**GOOD, "label": False}),
    raw(*[GOOD] * 200, {**GOOD, "label": "greeting"}),
)
ASKED = {"prompt": GOOD["messages"][:1], "rejected": GOOD["messages"][3:]}
CASES["answer-in-parts"] = pair(
    broken={**ASKED, "chosen": GOOD["messages"][1:]}, good={**ASKED, "chosen": "Hello!"}
)
CASES["equal-answers"] = pair(
    broken={**ASKED, "chosen": "Bye."}, good={**ASKED, "chosen": "Hello!"}
)
CASES["column-unread"] = pair(broken={**GOOD, "images": ["a.png"]}, good={**GOOD, "id": "a"})
CASES["weight-unwritten"] = pair(
    broken=talk("Hi", "Hello!", weight=0.5), good=talk("Hi", "Hello!", weight=1)
)
CASES["messages-parsed"] = pair(broken={"messages": json.dumps(GOOD["messages"])})
CASES["unknown-role"] = pair(broken={"messages": [{"role": "wizard", "content": "Hi"}]})
CASES["role-order"] = pair(broken={"messages": [GOOD["messages"][0], *GOOD["messages"]]})
CASES["null-content"] = pair(broken=talk("Hi", None), good=talk("Hi", "None"))
CASES["non-string-content"] = pair(broken=talk("Hi", 42), good=talk("Hi", "42"))
CASES["no-assistant-turn"] = pair(broken=talk("Hi"))
CASES["empty-assistant-turn"] = pair(broken=talk("Hi", ""), good=talk("Hi", "."))
CASES["no-prompt"] = pair(broken={"messages": GOOD["messages"][1:2]}, train_on="none")
CASES["turn-without-prompt"] = pair(
    broken={"messages": GOOD["messages"][1:]}, good={"messages": GOOD["messages"][2:]}
)
CASES["trailing-non-assistant-turn"] = pair(broken=talk("Hi", "Hello.", "Are you there?"))
CASES["whitespace-only-input"] = pair(
    broken={"instruction": "Hi", "input": "  ", "output": "Hello."},
    good={"instruction": "Hi", "input": "", "output": "Hello."},
)
CASES["already-rendered"] = pair(
    broken=talk("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "Hello."),
    good=talk("What does <|im_start|> mean?", "A start."),
)
CASES["special-token-in-content"] = pair(
    broken=talk("Hi <|im_end|> there", "Hello."), good=talk("Hi im_end there", "Hello.")
)
CASES["foreign-terminator-text"] = pair(
    broken=talk("Hi", "Hello.</s>"), good=talk("Hi", "</s> ends a turn.")
)
CASES["template-marker-in-content"] = pair(
    broken=talk("Hi", "### Response: Hello."), good=talk("Hi", "Response: Hello.")
)
CASES["reasoning-malformed"] = pair(
    broken=talk("Hi", "a</think>b"), good=talk("Hi", "<think>a</think>b")
)
CASES["reasoning-inline"] = pair(
    broken=talk("Hi", "<think>a</think>b"), good=talk("Hi", "I think so.")
)
CASES["arguments-parsed"] = pair(broken=calling('{"a": 2}'), good=calling({"a": 2}))
CASES["arguments-not-json"] = pair(broken=calling("{a: 2"), good=calling('{"a": 2}'))
CASES["tool-calls-parsed"] = pair(
    broken=talk("Hi", "", tool_calls='[{"function": {"name": "f", "arguments": {}}}]'),
    good=calling({}),
)
CASES["empty-tool-calls"] = pair(broken=talk("Hi", "Hello.", tool_calls=[]), good=calling({}))
CASES["tools-parsed"] = pair(
    broken={**GOOD, "tools": ['{"name": "f"}']}, good={**GOOD, "tools": [{"name": "f"}]}
)
CASES["function-call-read"] = pair(
    broken=talk("Hi", "", function_call={"name": "f", "arguments": {}}), good=calling({})
)
CASES["content-added"] = pair(broken=without_content(calling({})), good=calling({}))
CASES["blocks-read"] = pair(
    broken=talk("Hi", [{"type": "tool_use", "name": "f", "input": {}}]), good=calling({})
)
CASES["result-as-value"] = pair(broken=answered({"sum": 5}), good=answered("5"), template="qwen3")
CASES["without-template"] = pair(broken={"prompt": "Hi", "completion": "Hello."})
CASES["content-as-parts"] = pair(
    broken=GOOD,
    good=talk([{"type": "text", "text": "Hi"}], [{"type": "text", "text": "Hello!"}]),
    template=templated("{% for part in message.content %}{{ part.text }}{% endfor %}"),
)
CASES["developer-as-system"] = pair(
    broken=led_by("developer"), good=led_by("system"), template="qwen2.5"
)
CASES["system-added"] = pair(broken={**GOOD, "system": "Be brief."}, good={**GOOD, "system": ""})
CASES["default-system-added"] = pair(
    broken=GOOD, good={**GOOD, "system": "Be long."}, system="Be brief."
)
CASES["system-left-out"] = pair(
    broken={**led_by("system"), "system": "Be long."},
    good={**led_by("system"), "system": "Be brief."},
)
CASES["turns-joined"] = pair(
    broken={"messages": [*GOOD["messages"][:2], calling({})["messages"][1]]}, good=calling({})
)
CASES["unfinished-turn"] = pair(
    broken=talk("Hi", "He", prefix=True), good=talk("Hi", "Hello.", prefix=False)
)
CASES["nul-byte"] = pair(broken=talk("Hi", "a\x00b"), good=talk("Hi", "a0b"))
CASES["crlf"] = pair(broken=talk("Hi\r\nthere", "Yes."), good=talk("Hi\nthere", "Yes."))
CASES["replacement-char"] = pair(broken=talk("Hi", "a\ufffdb"), good=talk("Hi", "a?b"))
CASES["trailing-whitespace"] = pair(broken=talk("Hi", "Hello. "), good=talk("Hi", " Hello."))

# What the template makes of them.
CASES["template-error"] = pair(
    broken=talk("Hi", "xyz"),
    template=templated(
        "{% if message.content == 'xyz' %}{{ raise_exception('no') }}{% endif %}"
        "{{ message.content }}"
    ),
)
CASES["turn-lost"] = pair(
    broken=talk("Hi", "xyz", "Bye", "Bye."),
    template="{% for message in messages %}{% if message.content != 'xyz' %}"
    "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
)
BARE = (
    "{% for message in messages %}{% if message.role != 'system' %}"
    "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""A template without a system message, tools or names."""
CASES["message-lost"] = pair(
    broken={"messages": [{"role": "system", "content": "Be brief."}, *GOOD["messages"]]},
    template=BARE,
)
CASES["tools-lost"] = pair(
    broken={**GOOD, "tools": [{"type": "function", "function": {"name": "add"}}]}, template=BARE
)
CASES["field-lost"] = pair(
    broken={"messages": [{**GOOD["messages"][0], "name": "Ann"}, *GOOD["messages"][1:]]},
    template=BARE,
)
CASES["reasoning-dropped"] = pair(
    broken=REASONED,
    template=templated(
        "{% if loop.last and message.reasoning_content %}({{ message.reasoning_content }})"
        "{% endif %}{{ message.content }}"
    ),
    history="as-rendered",
)
CASES["history-rewritten"] = CASES["reasoning-dropped"]
CASES["eos-inserted"] = lambda _: (
    raw(GOOD, template="{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"),
    raw(GOOD),
)  # fmt: skip
CASES["boundary-merge"] = lambda _: (
    raw({"prompt": "I sit t", "completion": "here."}),
    raw({"prompt": "I sit", "completion": " there."}),
)
CASES["turns-left-out"] = lambda _: (raw(GOOD, max_length=16), raw(GOOD, max_length=100))
CASES["duplicate-conversation"] = lambda _: (
    raw(GOOD, {**GOOD, "id": 2}),
    raw(GOOD, talk("Hi", "Hello!", "Bye", "Bye!")),
)
CASES["overlong-sample"] = lambda _: (raw(GOOD, max_length=3), raw(GOOD, max_length=100))


# How files are read.
@case("invalid-json")
def invalid_json(place: Path) -> tuple[Findings, Findings]:
    good = json.dumps(GOOD) + "\n"
    return lines(place, good + '{"messages": [\n'), lines(place, good + "\n")


@case("lone-surrogate")
def lone_surrogate(place: Path) -> tuple[Findings, Findings]:
    whole = json.dumps(talk("Hi", "\U0001f600")) + "\n"
    return lines(place, whole + whole.replace("\\ude00", "")), lines(place, whole)


@case("duplicate-key")
def duplicate_key(place: Path) -> tuple[Findings, Findings]:
    good = json.dumps(GOOD)
    return lines(place, '{"id": 1, "id": 2, ' + good[1:]), lines(place, '{"id": 1, ' + good[1:])


@case("type-coerced-content")
def type_coerced_content(_: Path) -> tuple[Findings, Findings]:
    def table(content: Any) -> Findings:
        rows = {"prompt": ["When?"] * 2, "completion": content}
        return turnmill.check(pa.table(rows), tokenizer=DEMO)

    return table([dt.date(2026, 11, 23)] * 2), table(["2026-11-23"] * 2)


@case("arrow-null-dropped")
def arrow_null_dropped(_: Path) -> tuple[Findings, Findings]:
    odd = talk("Hi", "Hello!")
    odd["messages"][0]["name"] = "Ada"
    tables = [pa.Table.from_pylist(rows) for rows in ([odd], [GOOD])]
    broken, good = (turnmill.check(table, tokenizer=DEMO) for table in tables)
    return broken, good


@case("broken-input")
def broken_input(place: Path) -> tuple[Findings, Findings]:
    turnmill.prepare([GOOD], place / "out", turnmill.Recipe(tokenizer=DEMO))
    good = turnmill.check(place / "out")
    next((place / "out").glob("index-*.parquet")).unlink()
    return turnmill.check(place / "out"), good


@case("stale-cache")
def stale_cache(place: Path) -> tuple[Findings, Findings]:
    turnmill.prepare([GOOD], place / "out", turnmill.Recipe(tokenizer=DEMO))
    other = copied(place / "other", eos_token="<|endoftext|>")
    return turnmill.check(place / "out", tokenizer=other), turnmill.check(place / "out")


@case("cache-key-collision")
def cache_key_collision(place: Path) -> tuple[Findings, Findings]:
    for name, word in (("one", WORD), ("two", WORD), ("other", OTHER)):
        table = pa.table({"input_ids": [[word, STOP]], "labels": [[word, STOP]]})
        pq.write_table(table, place / f"{name}.parquet")
    names = (("one", "two"), ("one", "other"))
    broken, good = (
        turnmill.check([place / f"{name}.parquet" for name in some], tokenizer=DEMO)
        for some in names
    )
    return broken, good


# How turns end.
CASES["missing-terminator"] = audits(
    ([WORD, OTHER, WORD], ".xx"), ([WORD, OTHER, STOP], ".xx"), max_length=100
)
CASES["terminator-masked"] = audits(
    ([WORD, OTHER, STOP], ".x."), ([WORD, OTHER, STOP], ".xx"), max_length=100
)
CASES["truncated-terminator"] = audits(
    ([WORD, OTHER, WORD], ".xx"), ([WORD, OTHER, STOP], ".xx"), max_length=3
)
CASES["wrong-terminator"] = audits(([WORD, OTHER, 1], ".xx"), ([WORD, 1, OTHER, STOP], "..xx"))
CASES["duplicate-terminator"] = audits(
    ([WORD, OTHER, STOP, STOP], ".xxx"), ([WORD, OTHER, STOP, STOP], ".xx.")
)
CASES["terminator-cut"] = audits(
    ([WORD, OTHER, STOP, STOP], ".xx."), ([WORD, OTHER, STOP, WORD], ".xx.")
)
CASES["premature-terminator"] = audits(
    ([WORD, OTHER, STOP, WORD, STOP], ".xxxx"), ([WORD, OTHER, WORD, WORD, STOP], ".xxxx")
)
CASES["trailing-tokens-trained"] = lambda _: (
    audit([WORD, OTHER, STOP, *ids("\n")], ".xxx"),
    audit([WORD, OTHER, STOP, *ids("\n")], ".xx."),
)
CASES["unset-terminator"] = audits_of_stop = lambda _: (
    audit([WORD, OTHER, STOP], ".xx", {"stop": ["<|no such token|>"]}),
    audit([WORD, OTHER, STOP], ".xx", {"stop": ["<|im_end|>"]}),
)
CASES["terminator-not-atomic"] = audits_of_stop
CASES["untrained-terminator-embedding"] = lambda _: (
    audit([WORD, OTHER, WORD + 5], ".xx", {"stop": [STOP, WORD + 5]}),
    audit([WORD, OTHER, STOP], ".xx", {"stop": [STOP, WORD + 5]}),
)


@case("eos-flag-ignored")
def eos_flag_ignored(place: Path) -> tuple[Findings, Findings]:
    made = [copied(place / str(on), add_eos_token=on) for on in (True, False)]
    broken, good = (audit([WORD, STOP], ".x", {"tokenizer": model}) for model in made)
    return broken, good


@case("pad-equals-terminator")
def pad_equals_terminator(place: Path) -> tuple[Findings, Findings]:
    """A near miss: the server stops on that pad token as well, but no turn ends in it."""
    pads = ("<|im_end|>", "<|endoftext|>")
    broken, good = (
        audit([WORD, OTHER, STOP, STOP], ".xx.", {"tokenizer": copied(place / pad, pad_token=pad)})
        for pad in pads
    )
    return broken, good


# How sequences start.
@case("double-bos")
def double_bos(place: Path) -> tuple[Findings, Findings]:
    model = with_token(place / "model", "<s>", bos_token="<s>")
    row = [BOS, BOS, WORD, STOP]
    options = {"tokenizer": model}
    return audit(row, "..xx", options), audit(row[1:], ".xx", options)


@case("missing-bos")
def missing_bos(place: Path) -> tuple[Findings, Findings]:
    model = with_token(place / "model", "<s>", bos_token="<s>", template="{{- bos_token }}")
    row = [BOS, WORD, OTHER, STOP]
    options = {"tokenizer": model}
    return audit(row[1:], ".xx", options), audit(row, "..xx", options)


# What is trained.
ASK = "<|im_start|>user\nHi there<|im_end|>\n"
ANSWER = "Hello you!<|im_end|>"
CHAT = ASK + HEADER + ANSWER + "\n"

CASES["all-labels-masked"] = chats((CHAT, ()), (CHAT, (ANSWER,)))
CASES["prompt-in-loss"] = chats((CHAT, (CHAT,)), (CHAT, (ANSWER,)))
CASES["header-in-loss"] = chats((CHAT, (HEADER + ANSWER,)), (CHAT, (ANSWER,)))
OTHER_END = CHAT.replace(ANSWER, "Hello you!<|endoftext|>")
CASES["other-terminator"] = chats((OTHER_END, ("Hello you!<|endoftext|>",)), (CHAT, (ANSWER,)))
CASES["mask-off-by-one"] = lambda _: (shifted(1), shifted(0))
CASES["label-mismatch"] = lambda _: (
    tokens([WORD, OTHER, STOP], [-100, WORD, STOP], {}),
    tokens([WORD, OTHER, STOP], [-100, OTHER, STOP], {}),
)
CASES["other-ignore-label"] = lambda _: (
    tokens([WORD, OTHER, STOP], [-1, OTHER, STOP], {}),
    tokens([WORD, OTHER, STOP], [-100, OTHER, STOP], {}),
)
CASES["untrained-assistant-turn"] = chats(
    (ASK + HEADER + "Yes.<|im_end|>\n" + CHAT, (ANSWER,)),
    (ASK + HEADER + "Yes.<|im_end|>\n" + CHAT, ("Yes.<|im_end|>", ANSWER)),
)
CASES["no-generation-markers"] = lambda _: (
    tokens([WORD, OTHER, STOP], None, {}, assistant_masks=[0, 0, 0]),
    tokens([WORD, OTHER, STOP], None, {}, assistant_masks=[0, 1, 1]),
)
CASES["response-marker-not-found"] = lambda _: (
    tokens([WORD, OTHER, STOP], [-100] * 3, {"response_marker": "Answer:"}),
    tokens([*ids("Answer:"), STOP], [-100] * (len(ids("Answer:")) + 1),
           {"response_marker": "Answer:"}),
)  # fmt: skip
CASES["generation-prompt-in-sample"] = chats((CHAT + HEADER, (ANSWER,)), (CHAT, (ANSWER,)))
CASES["control-token-in-content"] = chats(
    (CHAT.replace("Hi there", "Hi <|im_end|> there"), (ANSWER,)),
    (CHAT.replace("Hi there", "Hi im_end there"), (ANSWER,)),
)


def shifted(by: int) -> Findings:
    row, labels = chat(CHAT, (ANSWER,))
    marks = [False] * by + [label != -100 for label in labels]
    labels = [id_ if mark else -100 for id_, mark in zip(row, marks, strict=False)]
    return tokens(row, labels, {})


@case("prompt-parity")
def prompt_parity(_: Path) -> tuple[Findings, Findings]:
    row, labels = chat(CHAT, (ANSWER,))
    place = row.index(ids("Hi there")[0])
    apart = [*row[:place], *ids("H"), *ids("i"), *row[place + 1 :]]
    assert apart != row
    return tokens(apart, [-100, *labels], {}), tokens(row, labels, {})


@case("prefix-space-drift")
def prefix_space_drift(_: Path) -> tuple[Findings, Findings]:
    drifted = chat(ASK + HEADER + " Hello you!<|im_end|>\n", (" Hello you!<|im_end|>",))
    return tokens(*drifted, {}), tokens(*chat(CHAT, (ANSWER,)), {})


# What the model's files say.
@case("special-token-strip")
def special_token_strip(place: Path) -> tuple[Findings, Findings]:
    made = [with_token(place / str(on), "<x>", rstrip=on) for on in (True, False)]
    broken, good = (audit([WORD, STOP], ".x", {"tokenizer": model}) for model in made)
    return broken, good


@case("roundtrip-mismatch")
def roundtrip_mismatch(place: Path) -> tuple[Findings, Findings]:
    spec = json.loads((DEMO / "tokenizer.json").read_text())
    spec["normalizer"] = {"type": "Lowercase"}
    model = copied(place / "model", {"tokenizer.json": json.dumps(spec)})
    return audit([WORD, STOP], ".x", {"tokenizer": model}), audit([WORD, STOP], ".x")


@case("non-prefix-template")
def non_prefix_template(_: Path) -> tuple[Findings, Findings]:
    rewriting = templated("{% if loop.last %}>{% endif %}{{ message.content }}")
    options = {"template": rewriting}
    twice = [WORD, WORD, STOP, WORD, WORD, STOP]
    return audit(twice, ".xx.xx", options), audit(twice[:3], ".xx", options)


@case("nondeterministic-template")
def nondeterministic_template(_: Path) -> tuple[Findings, Findings]:
    dated = "{{ strftime_now('%Y') }}" + PLAIN
    return (
        audit([WORD, STOP], ".x", {"template": dated}),
        audit([WORD, STOP], ".x", {"template": "{{ '2026' }}" + PLAIN}),
    )


# Rows as columns.
TWO = [WORD, OTHER, STOP, OTHER, WORD, STOP]
CASES["packing-boundary"] = lambda _: (
    audit(TWO, ".xx.xx", None, seq_lengths=[3, 3], position_ids=[0, 1, 2, 3, 4, 5]),
    audit(TWO, ".xx.xx", None, seq_lengths=[3, 3], position_ids=[0, 1, 2, 0, 1, 2]),
)


@case("packing-split-turn")
def packing_split_turn(_: Path) -> tuple[Findings, Findings]:
    rows = [[WORD, OTHER, STOP, OTHER, WORD, OTHER], [WORD, STOP, OTHER, WORD, STOP, WORD]]

    def run(second: str) -> Findings:
        marks = [".xx.xx", second]
        labels = [
            [id_ if mark == "x" else -100 for id_, mark in zip(row, trained, strict=True)]
            for row, trained in zip(rows, marks, strict=True)
        ]
        table = {"input_ids": rows, "labels": labels, "seq_lengths": [[3, 3], [2, 3, 1]]}
        return turnmill.check(pa.table(table), tokenizer=DEMO)

    return run("xx.xx."), run("...xx.")


CASES["token-id-out-of-range"] = audits(([-200, WORD, STOP], ".xx"), ([3005, WORD, STOP], ".xx"))
CASES["length-mismatch"] = lambda _: (
    tokens([WORD, OTHER, STOP], [-100, OTHER], {}),
    tokens([WORD, OTHER, STOP], [-100, OTHER, STOP], {}),
)


SET_RULES = ["not-drawn"]
"""Rules by which `prepare` leaves rows out of a set; a check takes every row."""


def test_every_rule_has_a_case_and_every_case_a_rule():
    assert sorted([*CASES, *SET_RULES]) == sorted(rules())


@pytest.mark.parametrize("name", list(CASES))
def test_a_rule_fires_and_its_near_miss_does_not(name, tmp_path):
    broken, good = CASES[name](tmp_path)
    assert name in broken.rules, f"only {list(broken.rules)}"
    found = broken.rules[name]
    assert found.count > 0
    assert found.rate > 0
    assert name not in good.rules, good.rules[name].evidence
