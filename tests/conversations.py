"""Conversations that reach the corners of chat templates, by what is odd about them."""

from __future__ import annotations

from typing import Any

Message = dict[str, Any]


def user(content: Any) -> Message:
    """A user message."""
    return {"role": "user", "content": content}


def assistant(content: Any, **keys: Any) -> Message:
    """An assistant message."""
    return {"role": "assistant", "content": content, **keys}


def system(content: Any) -> Message:
    """A system message."""
    return {"role": "system", "content": content}


def tool(content: Any, **keys: Any) -> Message:
    """A tool's result."""
    return {"role": "tool", "content": content, **keys}


def call(name: str, arguments: Any, **keys: Any) -> Message:
    """A tool call inside a message."""
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **keys}


TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "search",
            "description": 'Finds "things" <here> & there',
            "parameters": {
                "type": "object",
                "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}},
                "required": ["query"],
            },
            "return": {"type": "string"},
        },
    },
    {"type": "function", "function": {"name": "时钟", "parameters": {}, "strict": True}},
]

SEARCH = call("search", {"query": "küche", "limit": 3, "exact": None, "score": 1e-07})
IDENTIFIED = call("search", {"query": "a"}, id="abcdefghi")

CONVERSATIONS: dict[str, list[Message]] = {
    "one exchange": [user("Hi"), assistant("Hello.")],
    "with system": [system("Be brief."), user("Hi"), assistant("Hello.")],
    "four turns": [
        user("1"),
        assistant("one"),
        user("2"),
        assistant("two"),
        user("3"),
        assistant("three"),
    ],
    "edges are white": [
        system("  s \n"),
        user("\n\n hi \t"),
        assistant("  there \n\n"),
        user("x"),
        assistant("\n"),
    ],
    "empty": [system(""), user(""), assistant("")],
    "chinese and emoji": [
        user("你好，世界 🌍"),
        assistant("你好！\u00a0👋🏽"),
        user("再见"),
        assistant("再见。"),
    ],
    "reasoning field": [
        user("2+2?"),
        assistant("4", reasoning_content="\nTwo and two.\n"),
        user("sure?"),
        assistant("Yes.", reasoning_content="Counted again."),
    ],
    "reasoning inline": [
        user("2+2?"),
        assistant("<think>\nTwo.\n</think>\n\n4"),
        user("sure?"),
        assistant("<think>Again.</think>Yes."),
    ],
    "think marker alone": [user("?"), assistant("so </think> yes")],
    "one tool call": [
        user("find it"),
        assistant("", tool_calls=[SEARCH]),
        tool("nothing"),
        assistant("Nothing found."),
    ],
    "tool call with content": [
        user("find it"),
        assistant("Let me look.", tool_calls=[SEARCH]),
        tool('{"hits": 0}'),
        assistant("Nothing found."),
        user("thanks"),
        assistant("You are welcome."),
    ],
    "two tool calls at once": [
        user("find both"),
        assistant("", tool_calls=[SEARCH, call("时钟", {})]),
        tool("a"),
        tool("b"),
        assistant("Both."),
    ],
    "tool calls with ids": [
        user("find it"),
        assistant("", tool_calls=[IDENTIFIED]),
        tool("nothing", tool_call_id="abcdefghi"),
        assistant("Nothing."),
    ],
    "two identified calls": [
        user("find it"),
        assistant("", tool_calls=[IDENTIFIED, {**IDENTIFIED, "id": "123456789"}]),
        tool("one", tool_call_id="abcdefghi"),
        tool({"content": "two"}, tool_call_id="123456789"),
        assistant("Both."),
        user("and now?"),
        assistant("Done."),
    ],
    "arguments as string": [
        user("find it"),
        assistant(None, tool_calls=[call("search", '{"query": "a"}')]),
        tool("nothing"),
        assistant("Nothing."),
        user("again"),
        assistant(None, tool_calls=[call("search", "{}"), call("search", "{}")]),
        tool("one"),
        tool("two"),
        assistant("Two."),
    ],
    "bare function calls": [
        user("find it"),
        assistant("", tool_calls=[{"name": "search", "arguments": {"query": "a"}}]),
        tool("nothing"),
        assistant("Nothing."),
    ],
    "no tool calls in the list": [user("Hi"), assistant("Hello.", tool_calls=[])],
    "tool calls are null": [user("Hi"), assistant("Hello.", tool_calls=None)],
    "builtin tool": [
        user("search"),
        assistant("", tool_calls=[call("brave_search", {"query": "a", "more": "b"})]),
        tool("x"),
        assistant("Found."),
    ],
    "ipython role": [user("run"), assistant("1"), {"role": "ipython", "content": {"a": [1, 2]}}],
    "tool results role": [user("run"), {"role": "tool_results", "content": "1"}, assistant("1")],
    "tool result is a number": [user("run"), tool(3.5, tool_call_id="abcdefghi"), assistant("1")],
    "starts with a tool": [tool("x"), user("?"), assistant("!")],
    "tool message at the end": [user("?"), assistant("", tool_calls=[SEARCH]), tool("x")],
    "user is a tool response": [
        user("go"),
        assistant("<tool_call>x</tool_call>", reasoning_content="first"),
        user("<tool_response>y</tool_response>"),
        assistant("done", reasoning_content="second"),
    ],
    "parts": [
        system([{"type": "text", "text": "Be brief."}]),
        user([{"type": "text", "text": " Look: "}, {"type": "image"}]),
        assistant([{"type": "text", "text": "I see."}]),
    ],
    "assistant first": [assistant("Welcome."), user("Hi"), assistant("Hello.")],
    "two users in a row": [user("a"), user("b"), assistant("c")],
    "two answers in a row": [user("a"), assistant("b"), assistant("c")],
    "system in the middle": [user("a"), system("now French"), assistant("oui"), user("b")],
    "two systems": [system("a"), system("b"), user("c"), assistant("d")],
    "system only": [system("a")],
    "system empty then more": [system(""), system("x"), user("c"), assistant("d")],
    "user only": [user("a")],
    "unknown role": [user("a"), {"role": "critic", "content": "b"}, assistant("c")],
    "developer": [{"role": "developer", "content": "a"}, user("b"), assistant("c")],
    "content is null": [user("a"), assistant(None)],
    "user content is null": [user(None), assistant("a")],
    "content is missing": [user("a"), {"role": "assistant"}],
    "content is a number": [user(1), assistant(2)],
    "role is missing": [{"content": "a"}, assistant("b")],
    "control tokens": [user("<|im_end|></s><s>"), assistant("[/INST]<|eot_id|><end_of_turn>")],
    "jinja in content": [user("{{ 7 * 7 }}{% if %}"), assistant("{# c #}")],
    "last question twice": [user("same"), assistant("x"), user("same"), assistant("y")],
    "line ends": [user("a\r\nb\u2028c"), assistant("\x1cd\x1f\n")],
    "code": [
        user("```python\ndef f(x):\n\treturn {'a': [x, \"b\\n\"]}  # <b> & \\\\\n```"),
        assistant('    if x:\n        y = f"{x!r:>{w}}"\n```\n'),
    ],
    "right to left and combining": [
        user("שלום\u200f e\u0301 \u0627\u064b"),
        assistant("\u202eok\ufeff"),
    ],
    "very long": [
        user("A long line, 你好. " * 3_000),
        assistant(("word " * 50 + "\n\n") * 80),
        user("On" * 9_000),
        assistant("x"),
    ],
    "extra keys": [{**user("a"), "name": "Ann", "weight": 0}, assistant("b", loss=True)],
}
"""Messages by what is odd about them."""
