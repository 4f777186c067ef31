"""Shapes of chat data in the wild, each with the conversation that its author means.

`docs/reading.md` is made from this list by `scripts/reading.py`; `test_shapes.py` reads every row.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """A row, and what the template gets of it."""

    what: str
    """What is special about the row, in words."""
    row: dict[str, Any]
    messages: list[Message]
    rules: dict[str, int] = field(default_factory=dict)
    """What is counted of it."""
    tools: list[Any] | None = None
    weights: list[float] | None = None
    """Weights of the messages, where the data says any."""


@dataclass(frozen=True)
class Refused:
    """A row that is left out."""

    what: str
    row: dict[str, Any]
    rule: str


def user(content: Any = "2+3", **keys: Any) -> Message:
    return {"role": "user", "content": content, **keys}


def assistant(content: str = "5", **keys: Any) -> Message:
    return {"role": "assistant", "content": content, **keys}


def system(content: str = "Be brief.") -> Message:
    return {"role": "system", "content": content}


def tool(content: str = "5", **keys: Any) -> Message:
    return {"role": "tool", "content": content, **keys}


def call(arguments: Any, name: str = "add") -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def calling(*calls: Any, content: str = "") -> Message:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


ADD = call({"a": 2})
FUNCTION = {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}
TOOL = {"type": "function", "function": FUNCTION}

SCHEMAS: list[Shape] = [
    Shape(
        "`messages`: roles and contents", {"messages": [user(), assistant()]}, [user(), assistant()]
    ),
    Shape(
        "`sharegpt`: `from` and `value`",
        {"conversations": [{"from": "human", "value": "2+3"}, {"from": "gpt", "value": "5"}]},
        [user(), assistant()],
    ),
    Shape(
        "`sharegpt` with calls and results",
        {
            "conversations": [
                {"from": "human", "value": "2+3"},
                {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 2}}'},
                {"from": "observation", "value": "5"},
                {"from": "gpt", "value": "5"},
            ],
            "tools": '[{"name": "add"}]',
        },
        [user(), calling(ADD), tool(), assistant()],
        tools=[{"name": "add"}],
    ),
    Shape(
        "`alpaca`: instruction, input, output, history, system",
        {
            "instruction": "Add.",
            "input": "2+3",
            "output": "5",
            "history": [["1+1", "2"]],
            "system": "Be brief.",
        },
        [system(), user("1+1"), assistant("2"), user("Add.\n2+3"), assistant()],
    ),
    Shape(
        "`prompt-completion` of messages",
        {"prompt": [user()], "completion": [assistant()]},
        [user(), assistant()],
    ),
    *(
        Shape(
            f"`alpaca` by the names {names}",
            {prompt: "Add.", answer: "5", **more},
            [*lead, user("Add." + added), assistant()],
        )
        for names, prompt, answer, more, added, lead in (
            ("of Dolly", "instruction", "response", {"context": "2+3"}, "\n2+3", []),
            ("of ms-swift", "query", "response", {"history": []}, "", []),
            ("of OpenOrca", "question", "response", {"system_prompt": "Be brief."}, "", [system()]),
            ("`human` and `assistant`", "human", "assistant", {}, "", []),
        )
    ),
    Shape(
        "`messages` or `sharegpt` under `conversation`",
        {"conversation": [user(), assistant()]},
        [user(), assistant()],
    ),
    Shape(
        "`pairs` of `human` and `assistant`",
        {"conversation": [{"human": "2+3", "assistant": "5"}], "system": "Be brief."},
        [system(), user(), assistant()],
    ),
    Shape(
        "`pairs` with reasoning",
        {"conversation": [{"human": "2+3", "assistant": "5", "reasoning": "I add."}]},
        [user(), assistant(reasoning="I add.")],
    ),
    Shape(
        "`gemini`: contents of parts, calls and responses",
        {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "2"}, {"text": "+3"}]},
                {
                    "role": "model",
                    "parts": [
                        {"text": "I add.", "thought": True},
                        {"functionCall": {"name": "add", "args": {"a": 2}}},
                    ],
                },
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"name": "add", "response": {"sum": 5}}}],
                },
                {"role": "model", "parts": [{"text": "5"}]},
            ],
            "tools": [{"functionDeclarations": [FUNCTION]}],
        },
        [
            system(),
            user(),
            {**calling(ADD), "reasoning_content": "I add."},
            tool('{"sum":5}', name="add"),
            assistant(),
        ],
        tools=[TOOL],
    ),
    Shape(
        "`xlam`: a query, its calls and the tools, as JSON text or not",
        {
            "query": "2+3",
            "answers": '[{"name": "add", "arguments": {"a": 2}}]',
            "tools": json.dumps([FUNCTION]),
        },
        [user(), calling(ADD)],
        tools=[TOOL],
    ),
]
"""The schemas as they are defined."""

WIRE: list[Shape] = [
    Shape(
        "`messages` as JSON text, whole or one by one",
        {"messages": json.dumps([user(), assistant()])},
        [user(), assistant()],
        {"messages-parsed": 1},
    ),
    Shape(
        "`conversations` of JSON texts",
        {
            "conversations": [
                '{"from": "human", "value": "2+3"}',
                '{"from": "gpt", "value": "5"}',
            ]
        },
        [user(), assistant()],
        {"messages-parsed": 1},
    ),
    Shape(
        "`arguments` as JSON text",
        {"messages": [user(), calling(call('{"a": 2}'))]},
        [user(), calling(ADD)],
        {"arguments-parsed": 1},
    ),
    Shape(
        "no `arguments`, or an empty text",
        {"messages": [user(), calling(call(""), {"function": {"name": "now"}})]},
        [user(), calling(call({}), {"function": {"name": "now", "arguments": {}}})],
        {"arguments-parsed": 2},
    ),
    Shape(
        "`arguments` that are not JSON stay text",
        {"messages": [user(), calling(call("{a: 2"))]},
        [user(), calling(call("{a: 2"))],
        {"arguments-not-json": 1},
    ),
    Shape(
        "`parameters`, `input` or `args` of a call, which are its arguments",
        {
            "messages": [
                user(),
                calling(
                    {"type": "function", "function": {"name": "add", "parameters": {"a": 2}}},
                    {"name": "add", "arguments": None, "input": '{"a": 2}'},
                    {"name": "add", "args": {"a": 2}},
                ),
            ]
        },
        [user(), calling(ADD, ADD["function"], ADD["function"])],
        {"arguments-parsed": 3},
    ),
    Shape(
        "one tool without a list",
        {"messages": [user(), assistant()], "tools": TOOL},
        [user(), assistant()],
        {"tools-parsed": 1},
        tools=[TOOL],
    ),
    Shape(
        "no tools: `{}`",
        {"messages": [user(), assistant()], "tools": {}},
        [user(), assistant()],
        {"tools-parsed": 1},
    ),
    Shape(
        "`tool_calls` as JSON text",
        {
            "messages": [
                user(),
                {**assistant(""), "tool_calls": '[{"function": {"name": "add", "arguments": {}}}]'},
            ]
        },
        [user(), calling({"function": {"name": "add", "arguments": {}}})],
        {"tool-calls-parsed": 1},
    ),
    Shape(
        "each call as JSON text, its arguments as JSON text inside",
        {
            "messages": [
                user(),
                calling('{"type": "function", "function": {"name": "add", "arguments": "{}"}}'),
            ]
        },
        [user(), calling(call({}))],
        {"tool-calls-parsed": 1, "arguments-parsed": 1},
    ),
    Shape(
        'no calls: `""`, `[]`, `"[]"`',
        {
            "messages": [
                user(),
                assistant(tool_calls=""),
                user(),
                assistant(tool_calls=[]),
                user(),
                assistant(tool_calls="[]"),
                user(),
                assistant(tool_calls=None),
            ]
        },
        [user(), assistant()] * 4,
        {"empty-tool-calls": 3},
    ),
    Shape(
        "calls without a content",
        {"messages": [user(), {"role": "assistant", "tool_calls": [ADD]}]},
        [user(), calling(ADD)],
        {"content-added": 1},
    ),
    Shape(
        "a content that is null beside calls",
        {"messages": [user(), {"role": "assistant", "content": None, "tool_calls": [ADD]}]},
        [user(), calling(ADD)],
        {"content-added": 1},
    ),
    Shape(
        "`tools` as JSON text",
        {"messages": [user(), assistant()], "tools": '[{"type": "function", "function": {}}]'},
        [user(), assistant()],
        tools=[{"type": "function", "function": {}}],
    ),
    Shape(
        "each tool, or its `parameters`, as JSON text",
        {
            "messages": [user(), assistant()],
            "tools": ['{"name": "a"}', {"function": {"name": "b", "parameters": "{}"}}, TOOL],
        },
        [user(), assistant()],
        {"tools-parsed": 2},
        tools=[{"name": "a"}, {"function": {"name": "b", "parameters": {}}}, TOOL],
    ),
    Shape(
        "OpenAI's `function_call`, `functions` and the role `function`",
        {
            "functions": [FUNCTION],
            "messages": [
                user(),
                assistant("", function_call={"name": "add", "arguments": "{}"}),
                {"role": "function", "name": "add", "content": "5"},
                assistant(),
            ],
        },
        [user(), calling(call({})), tool(name="add"), assistant()],
        {"function-call-read": 3, "arguments-parsed": 1},
        tools=[TOOL],
    ),
    Shape(
        "no function call: `{}`, or a name that is null",
        {
            "messages": [
                user(),
                assistant(function_call={}),
                user(),
                assistant(function_call={"name": None, "arguments": None}),
            ]
        },
        [user(), assistant()] * 2,
        {"empty-tool-calls": 2},
    ),
    Shape(
        "the role `developer`, where the template prints no such message",
        {"messages": [{"role": "developer", "content": "Be brief."}, user(), assistant()]},
        [system(), user(), assistant()],
        {"developer-as-system": 1},
    ),
    Shape(
        "`system` beside `messages`",
        {"system": "Be brief.", "messages": [user(), assistant()]},
        [system(), user(), assistant()],
        {"system-added": 1},
    ),
    Shape(
        "`system` beside a prompt and a completion",
        {"system": "Be brief.", "prompt": [user()], "completion": [assistant()]},
        [system(), user(), assistant()],
        {"system-added": 1},
    ),
    Shape(
        "`system` beside messages that begin with another",
        {"system": "Be long.", "messages": [system(), user(), assistant()]},
        [system(), user(), assistant()],
        {"system-left-out": 1},
    ),
    Shape(
        "the same `system` twice",
        {"system": "Be brief.", "messages": [system(), user(), assistant()]},
        [system(), user(), assistant()],
    ),
    Shape(
        "text and calls of one turn as two messages",
        {
            "conversations": [
                {"from": "human", "value": "2+3"},
                {"from": "gpt", "value": "I add."},
                {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 2}}'},
                {"from": "observation", "value": "5"},
                {"from": "gpt", "value": "5"},
            ]
        },
        [user(), calling(ADD, content="I add."), tool(), assistant()],
        {"turns-joined": 1},
    ),
    Shape(
        "two calls of one turn as two messages",
        {"messages": [user(), calling(ADD), calling(ADD, content=""), tool(), tool(), assistant()]},
        [user(), calling(ADD, ADD), tool(), tool(), assistant()],
        {"turns-joined": 1},
    ),
    Shape(
        "two answers in a row stay two",
        {"messages": [user(), assistant("4"), assistant("No, 5")]},
        [user(), assistant("4"), assistant("No, 5")],
        {"role-order": 1},
    ),
    Shape(
        "Anthropic's blocks",
        {
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": [
                user(),
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "I add.", "signature": "x"},
                        {"type": "text", "text": "So:"},
                        {"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 2}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "c1",
                            "content": [{"type": "text", "text": "5"}],
                        },
                        {"type": "text", "text": "And?"},
                    ],
                },
                assistant(),
            ],
            "tools": [{"name": "add", "description": "Adds.", "input_schema": {"type": "object"}}],
        },
        [
            system(),
            user(),
            {
                **assistant("So:", reasoning_content="I add."),
                "tool_calls": [{"id": "c1", **ADD}],
            },
            tool(tool_call_id="c1"),
            user("And?"),
            assistant(),
        ],
        {"blocks-read": 3, "system-added": 1},
        tools=[TOOL],
    ),
    Shape(
        "texts of OpenAI's Responses (`input_text`, `output_text`)",
        {
            "messages": [
                {"role": "user", "content": [{"type": "input_text", "text": "2+3"}]},
                {"role": "assistant", "content": [{"type": "output_text", "text": "5"}]},
            ]
        },
        [user(), assistant()],
        {"blocks-read": 2},
    ),
    Shape(
        "reasoning in blocks",
        {"messages": [user(), assistant(reasoning_content=[{"type": "text", "text": "I add."}])]},
        [user(), assistant(reasoning_content="I add.")],
        {"blocks-read": 1},
    ),
    Shape(
        "a tool's result that is an object stays one",
        {"messages": [user(), calling(ADD), {"role": "tool", "content": {"sum": 5}}, assistant()]},
        [user(), calling(ADD), {"role": "tool", "content": {"sum": 5}}, assistant()],
        {"result-as-value": 1},
    ),
    Shape(
        "the `weight` of a row",
        {"weight": 0.5, "messages": [user(), assistant()]},
        [user(), assistant()],
    ),
]
"""Wire formats of chat APIs."""

REFUSED: list[Refused] = [
    Refused(
        "an answer that is only begun (`prefix`, `partial`)",
        {"messages": [user(), assistant('{"a":', prefix=True)]},
        "unfinished-turn",
    ),
    Refused(
        "an earlier answer that is only begun, in another form of true",
        {"messages": [user(), assistant('{"a":', partial="true"), user(), assistant()]},
        "unfinished-turn",
    ),
    Refused(
        "an answer that was cut (`finish_reason`, `stop_reason`, `status`)",
        {"messages": [user(), assistant("The sum is", finish_reason="length")]},
        "unfinished-turn",
    ),
    Refused(
        "a call without a name",
        {"messages": [user(), calling(call({"a": 2}, name=""))]},
        "schema-mismatch",
    ),
    Refused(
        "a call of a type that no template prints (`custom`)",
        {"messages": [user(), calling({"type": "custom", "custom": {"name": "add"}})]},
        "schema-mismatch",
    ),
    Refused(
        "reasoning that is an object",
        {"messages": [user(), assistant(reasoning_content={"text": "I add."})]},
        "non-string-content",
    ),
    Refused(
        "a content that is a list of plain strings",
        {"messages": [user(["2", "+3"]), assistant()]},
        "non-string-content",
    ),
    Refused(
        "a part of the content with two texts",
        {"messages": [user([{"type": "text", "text": "2+3", "value": "1+1"}]), assistant()]},
        "schema-mismatch",
    ),
    Refused(
        "the same in `sharegpt`",
        {
            "conversations": [
                {"from": "human", "value": [{"type": "text", "text": "2+3", "value": "1+1"}]},
                {"from": "gpt", "value": "5"},
            ]
        },
        "schema-mismatch",
    ),
    Refused(
        "a row whose `weight` is 0",
        {"weight": 0.0, "messages": [user(), assistant()]},
        "all-labels-masked",
    ),
    Refused(
        "`tool_calls` that are not JSON",
        {"messages": [user(), assistant("", tool_calls="add(2, 3)")]},
        "invalid-json",
    ),
    Refused(
        "no content and no calls",
        {"messages": [user(), {"role": "assistant", "content": None, "tool_calls": []}]},
        "null-content",
    ),
]
"""Rows that are left out."""

PARTS_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}: "
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}"
    "{% elif part['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
"""The form of the templates of models that see images: nothing but parts is printed."""
