"""Shapes of rows in which answers are judged, each with the prompt and answers that are meant.

`docs/reading.md` has a table of them; `test_answers.py` reads every row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cases.shapes import ADD, TOOL, assistant, call, calling, system, tool, user

Message = dict[str, Any]


@dataclass(frozen=True)
class Judged:
    """A row, and what is read from it."""

    what: str
    row: dict[str, Any]
    prompt: list[Message] | str
    """Messages, or a text where there is no template."""
    answers: list[list[Message] | str]
    """The chosen and the rejected one; or the one that has a label."""
    label: bool | None = None
    rules: dict[str, int] = field(default_factory=dict)
    tools: list[Any] | None = None


GOOD, BAD = [assistant()], [assistant("4")]
TALK = [system(), user("Hi"), assistant("Hello."), user()]


def said(message: Message) -> dict[str, Any]:
    names = {"user": "human", "assistant": "gpt", "system": "system"}
    return {"from": names[message["role"]], "value": message["content"]}


PAIRS: list[Judged] = [
    Judged(
        "`preference`: a prompt and two answers as messages (TRL)",
        {"prompt": TALK, "chosen": GOOD, "rejected": BAD},
        TALK,
        [GOOD, BAD],
    ),
    Judged(
        "`preference` with the prompt in both answers (TRL, implicit)",
        {"chosen": TALK + GOOD, "rejected": TALK + BAD},
        TALK,
        [GOOD, BAD],
    ),
    Judged(
        "`preference` with a prompt, and both answers with it",
        {"prompt": TALK, "chosen": TALK + GOOD, "rejected": TALK + BAD},
        TALK,
        [GOOD, BAD],
    ),
    Judged(
        "`preference` as UltraFeedback has it: a text that is the first message of both",
        {
            "prompt": "2+3",
            "prompt_id": "a",
            "chosen": [user(), *GOOD],
            "rejected": [user(), *BAD],
            "score_chosen": 9.0,
        },
        [user()],
        [GOOD, BAD],
    ),
    Judged(
        "`preference` of a text and two messages",
        {"prompt": "2+3", "chosen": GOOD, "rejected": BAD},
        [user()],
        [GOOD, BAD],
    ),
    Judged(
        "`preference` as LLaMA-Factory has it: `conversations` and a message each",
        {
            "conversations": [said(message) for message in TALK],
            "chosen": said(GOOD[0]),
            "rejected": said(BAD[0]),
        },
        TALK,
        [GOOD, BAD],
    ),
    Judged(
        "`preference` of messages and two texts",
        {"messages": TALK, "chosen": "5", "rejected": "4"},
        TALK,
        [GOOD, BAD],
    ),
    Judged(
        "`preference` of an instruction and two texts",
        {"instruction": "Add.", "input": "2+3", "chosen": "5", "rejected": "4"},
        [user("Add.\n2+3")],
        [GOOD, BAD],
    ),
    Judged(
        "`preference` by the names of Orca",
        {"system": "Be brief.", "question": "2+3", "chosen": "5", "rejected": "4"},
        [system(), user()],
        [GOOD, BAD],
    ),
    Judged(
        "`preference` as OpenAI has it",
        {
            "input": {"messages": [user()], "tools": [TOOL], "parallel_tool_calls": True},
            "preferred_output": GOOD,
            "non_preferred_output": BAD,
        },
        [user()],
        [GOOD, BAD],
        tools=[TOOL],
    ),
    Judged(
        "`preference` as HH-RLHF has it: each answer with its prompt, as one text",
        {
            "chosen": "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: 2+3\n\nAssistant: 5",
            "rejected": "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: 2+3\n\nAssistant: 4",
        },
        [user("Hi"), assistant("Hello."), user()],
        [GOOD, BAD],
        rules={"messages-parsed": 1},
    ),
    Judged(
        "`preference` of calls",
        {"prompt": [user()], "chosen": [calling(ADD)], "rejected": [calling(call({}))]},
        [user()],
        [[calling(ADD)], [calling(call({}))]],
    ),
    Judged(
        "`preference` of texts",
        {"prompt": "2+3=", "chosen": "5", "rejected": "4"},
        "2+3=",
        ["5", "4"],
        rules={"without-template": 1},
    ),
    Judged(
        "`preference` of texts with the prompt in both",
        {"chosen": "The sum is 5.", "rejected": "The sum is 4."},
        "The sum is",
        [" 5.", " 4."],
        rules={"without-template": 1},
    ),
]

LABELLED: list[Judged] = [
    Judged(
        "`kto`: a prompt, a completion and a label (TRL)",
        {"prompt": TALK, "completion": GOOD, "label": True},
        TALK,
        [GOOD],
        label=True,
    ),
    Judged(
        "`kto` of messages: the last answer is judged",
        {"messages": TALK + BAD, "label": False},
        TALK,
        [BAD],
        label=False,
    ),
    Judged(
        "`kto` of sharegpt, by the name of LLaMA-Factory",
        {"conversations": [said(message) for message in TALK + GOOD], "kto_tag": True},
        TALK,
        [GOOD],
        label=True,
    ),
    Judged(
        "`kto` of an instruction and its output",
        {"instruction": "2+3", "output": "4", "label": False},
        [user()],
        [BAD],
        label=False,
    ),
    Judged(
        "`kto` of texts",
        {"prompt": "2+3=", "completion": "5", "label": True},
        "2+3=",
        ["5"],
        label=True,
        rules={"without-template": 1},
    ),
]

PARTS = [calling(ADD), tool(), assistant()]
"""An answer of several messages, not all of which the model writes."""

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (
        "a judged answer with a tool's result inside, where no column has labels",
        {"prompt": [user()], "chosen": PARTS, "rejected": BAD},
        "answer-in-parts",
    ),
    (
        "whole conversations that do not hold the prompt beside them",
        {"prompt": "3+4", "chosen": [user(), *GOOD], "rejected": [user(), *BAD]},
        "schema-mismatch",
    ),
    (
        "an answer that begins with another prompt",
        {"prompt": [user("3+4")], "chosen": [user(), *GOOD], "rejected": BAD},
        "schema-mismatch",
    ),
    ("answers to no prompt", {"chosen": GOOD, "rejected": BAD}, "no-assistant-turn"),
]
