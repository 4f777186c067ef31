"""Random chat templates from a grammar, with random conversations."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

TEXTS = (
    "",
    " ",
    "a",
    "Hi there",
    "  x \n",
    "\n\ny",
    "é你🌍",
    "A-b_C d",
    "<think>\nno\n</think>\n\nyes",
    'it\'s "q"',
    "1,2,,3",
    "{{ x }}{% y %}",
    "12",
    "-3.5",
    "<|im_end|>",
    "tab\tnul\x00\u2028\x1c",
    "ßŉİ",
)
ROLES = ("system", "user", "assistant", "tool", "critic")
KEYS = ("role", "content", "name", "tool_calls", "nope")


T = TypeVar("T")


class Grammar:
    """Makes templates; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._names = ["messages"]

    def template(self) -> str:
        """A template of a few statements."""
        self._names = ["messages"]
        return "".join(self._statement(3) for _ in range(self._random.randint(2, 5)))

    def conversation(self) -> list[dict[str, Any]]:
        """A few messages."""
        return [self._message() for _ in range(self._random.randint(1, 5))]

    def _message(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": self._pick(ROLES)}
        if self._chance(0.9):
            message["content"] = self._data(1) if self._chance(0.2) else self._pick(TEXTS)
        if self._chance(0.2):
            message["tool_calls"] = [
                {"type": "function", "function": {"name": "f", "arguments": self._data(2)}}
            ]
        if self._chance(0.2):
            message["name"] = self._pick(TEXTS)
        if self._chance(0.1):
            message["reasoning_content"] = self._pick(TEXTS)
        return message

    def _data(self, depth: int) -> Any:
        leaves = [None, True, False, 0, 7, -2, 1.0, 2.5, 1e16, 1e-7, *TEXTS]
        if depth == 0 or self._chance(0.5):
            return self._pick(leaves)
        if self._chance(0.5):
            return [self._data(depth - 1) for _ in range(self._random.randint(0, 3))]
        keys = self._random.sample(("b", "a", "type", "text", "é", "items"), 3)
        return {key: self._data(depth - 1) for key in keys}

    def _pick(self, items: Sequence[T]) -> T:
        return self._random.choice(items)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _open(self) -> str:
        return "{%" + self._pick(("", "", "", "-", "-", "+"))

    def _close(self) -> str:
        return self._pick(("", "", "", "-", "-", "+")) + "%}"

    def _tag(self, words: str) -> str:
        return f"{self._open()} {words} {self._close()}"

    def _block(self, depth: int) -> str:
        return "".join(self._statement(depth) for _ in range(self._random.randint(1, 3)))

    def _statement(self, depth: int) -> str:
        if depth == 0:
            return self._pick((self._text, self._print))()
        kinds: tuple[Callable[[], str], ...] = (
            self._text,
            self._print,
            self._print,
            self._set,
            lambda: self._if(depth),
            lambda: self._for(depth),
            lambda: self._for_messages(depth),
            lambda: self._capture(depth),
            lambda: self._macro(depth),
            self._namespace,
            lambda: self._with(depth),
        )
        return str(self._pick(kinds)())

    def _text(self) -> str:
        return str(
            self._pick(
                (
                    "x",
                    "  \n",
                    "\n\n",
                    "\t<|im_start|>",
                    "{# c #}",
                    "{#- c -#}",
                    " \n  {#+ c #}\n",
                    "{% raw %}{{ a }} {%- endraw %}",
                    "é\r\nz",
                    "\n    ",
                )
            )
        )

    def _print(self) -> str:
        left, right = self._pick(("", "", "-", "+")), self._pick(("", "", "-"))
        return "{{" + left + " " + self._expression(3) + " " + right + "}}"

    def _set(self) -> str:
        name = self._pick("pqrs")
        words = self._tag(f"set {name} = {self._expression(2)}")
        self._names.append(name)
        return words

    def _namespace(self) -> str:
        made = self._tag(f"set ns = namespace(n={self._expression(1)}, m=0)")
        changed = self._tag(f"set ns.m = {self._expression(2)}")
        self._names += ["ns.n", "ns.m"]
        return f"{made}{self._tag('for z in range(2)')}{changed}{self._tag('endfor')}"

    def _if(self, depth: int) -> str:
        words = self._tag(f"if {self._condition(2)}") + self._block(depth - 1)
        if self._chance(0.4):
            words += self._tag(f"elif {self._condition(1)}") + self._block(depth - 1)
        if self._chance(0.5):
            words += self._tag("else") + self._block(depth - 1)
        return words + self._tag("endif")

    def _for(self, depth: int) -> str:
        name = self._pick("ijk")
        target, over = self._pick(
            (
                (name, f"range({self._random.randint(0, 4)})"),
                (name, self._list()),
                (name, self._string(1)),
                (f"{name}, v", self._pick(("{'a': 1, 'b': 'c'}.items()", "[(1, 2), ['x', 'y']]"))),
                (name, f"messages[{self._pick(('1:', ':-1', '::-1', '::2', '1:3'))}]"),
                (name, f"messages|map(attribute='{self._pick(KEYS)}')"),
            )
        )
        when = f" if {name} {self._pick(('is defined', '!= 1', 'is string'))}"
        condition = when if self._chance(0.3) else ""
        kept = list(self._names)
        self._names += [name, name, "loop.index", "loop.first", "loop.last", "loop.length"]
        body = self._block(depth - 1)
        if self._chance(0.15):
            word = self._pick(("break", "continue"))
            body += self._tag(f"if loop.index == 2") + self._tag(word) + self._tag("endif")  # noqa: F541
            body += self._print()
        self._names = kept
        end = self._tag("else") + "E" if self._chance(0.2) else ""
        return self._tag(f"for {target} in {over}{condition}") + body + end + self._tag("endfor")

    def _for_messages(self, depth: int) -> str:
        kept = list(self._names)
        self._names += ["m.role", "m.content", "m['content']", "m", "loop.index0", "m.tool_calls"]
        self._names += ["(loop.previtem.role if loop.previtem is defined)", "loop.revindex"]
        body = self._block(depth - 1)
        if self._chance(0.3):
            body += self._tag("generation") + self._block(0) + self._tag("endgeneration")
        self._names = kept
        return self._tag("for m in messages") + body + self._tag("endfor")

    def _capture(self, depth: int) -> str:
        if self._chance(0.5):
            name = self._pick("tu")
            body = self._tag(f"set {name}") + self._block(depth - 1) + self._tag("endset")
            self._names.append(name)
            return body
        filter_ = self._pick(("upper", "trim", "replace('a', 'b')", "indent(2)", "string", "title"))
        return self._tag(f"filter {filter_}") + self._block(depth - 1) + self._tag("endfilter")

    def _with(self, depth: int) -> str:
        kept = list(self._names)
        value = self._expression(1)
        self._names.append("w")
        body = self._block(depth - 1)
        self._names = kept
        return self._tag(f"with w = {value}") + body + self._tag("endwith")

    def _macro(self, depth: int) -> str:
        kept = list(self._names)
        extra = ["varargs", "kwargs"] if self._chance(0.3) else []
        self._names = ["messages", "g", "h", *extra]
        body = self._block(depth - 1)
        caller = "{{ caller() if caller }}" if self._chance(0.4) else ""
        self._names = kept
        made = self._tag("macro f(g, h='d')") + body + caller + self._tag("endmacro")
        arguments = self._pick((self._expression(1), f"h={self._expression(1)}", "1, 2", "g=1"))
        if caller:
            return made + self._tag(f"call f({arguments})") + "C" + self._tag("endcall")
        return made + "{{ f(" + arguments + ") }}"

    def _condition(self, depth: int) -> str:
        operators = ("==", "!=", "and", "or", "and not")
        tests = ("defined", "string", "mapping", "iterable", "sequence", "none", "number", "odd")
        return str(
            self._pick(
                (
                    f"{self._expression(depth)} {self._pick(operators)} {self._expression(depth)}",
                    f"{self._expression(depth)} is {self._pick(('', 'not '))}{self._pick(tests)}",
                    f"not {self._expression(depth)}",
                    f"{self._string(depth)} in {self._string(depth)}",
                    f"{self._expression(depth)} not in {self._list()}",
                    self._expression(depth),
                    f"messages[0].role == '{self._pick(ROLES)}'",
                )
            )
        )

    def _list(self) -> str:
        items = ", ".join(self._expression(1) for _ in range(self._random.randint(0, 3)))
        return f"[{items}]"

    def _literal(self) -> str:
        numbers = ("0", "1", "-3", "2.0", "0.5", "1e3", "true", "false", "none", "[]", "{}")
        words = tuple(
            repr(text) for text in TEXTS if not {"'", '"', "\x00", "\u2028", "{"} & set(text)
        )
        return str(self._pick(numbers + words))

    def _string(self, depth: int) -> str:
        base = self._pick(("'a,b c'", "messages[0].role", "messages[-1].content|string", "'Éß x'"))
        if depth == 0:
            return str(base)
        methods = (
            ".upper()",
            ".lower()",
            ".strip()",
            ".title()",
            ".lstrip('aÉ')",
            ".replace('a', 'bb')",
            ".split(',')[0]",
            ".split()|join('-')",
            "[1:]",
            "[::-1]",
            "[-2:]",
            "|trim",
            "|capitalize",
            "|replace(' ', '_', 1)",
            "|truncate(4, true, '…')",
            "|center(9)",
            "|indent(1, true)",
            " ~ 'z'",
            "|urlencode",
            "|escape",
            ".rstrip('\\n x')",
            "|string",
            "|title",
            "|wordcount|string",
            "|striptags",
            "|upper|lower",
            "|list|join('|')",
            "|tojson",
        )
        return f"({self._string(depth - 1)}){self._pick(methods)}"

    def _expression(self, depth: int) -> str:
        if depth == 0 or self._chance(0.25):
            return str(self._pick((self._literal(), self._pick(self._names))))
        deeper = depth - 1
        kinds: tuple[Callable[[], str], ...] = (
            lambda: self._string(depth),
            lambda: f"{self._expression(deeper)} ~ {self._expression(deeper)}",
            lambda: f"({self._string(deeper)} + {self._string(deeper)})",
            lambda: f"({self._number(deeper)} {self._pick('*-%+/')} {self._number(deeper)})",
            lambda: f"{self._list()} + {self._list()}",
            lambda: self._wild(deeper),
            lambda: (
                f"({self._expression(deeper)} if {self._condition(deeper)}"
                f"{' else ' + self._expression(deeper) if self._chance(0.7) else ''})"
            ),
            lambda: f"({self._expression(deeper)})|{self._filter()}",
            lambda: f"({self._list()})|{self._sequence_filter()}",
            lambda: f"messages|{self._message_filter()}",
            lambda: f"({self._condition(deeper)})",
            self._list,
            lambda: "{'k': " + self._expression(deeper) + ", 'j': [1, none]}",
            lambda: f"messages[{self._pick((0, 0, -1, 1))}].{self._pick(KEYS)}",
            lambda: f"messages[0].get('{self._pick(KEYS)}', {self._expression(deeper)})",
            lambda: f"({self._expression(deeper)}, {self._expression(deeper)})",
        )
        return str(self._pick(kinds)())

    def _wild(self, deeper: int) -> str:
        """Values of any type where jinja2 may well raise."""
        if self._chance(0.8):
            return self._number(deeper)
        operator = self._pick(("+", "* 2 -", "%", "<", "//"))
        return f"({self._expression(deeper)} {operator} {self._expression(deeper)})"

    def _number(self, depth: int) -> str:
        if depth == 0 or self._chance(0.4):
            return str(self._pick(("1", "2", "7.5", "-3", "true", "messages|length", "0.1")))
        return str(
            self._pick(
                (
                    f"({self._number(depth - 1)} {self._pick('+-*')} {self._number(depth - 1)})",
                    f"({self._number(depth - 1)})|{self._pick(('abs', 'int', 'float'))}",
                    f"({self._number(depth - 1)})|round(1)",
                    f"({self._string(depth - 1)})|length",
                    f"({self._number(depth - 1)}) // 2",
                    f"({self._number(depth - 1)}) ** 2",
                )
            )
        )

    def _filter(self) -> str:
        return str(
            self._pick(
                (
                    "string",
                    "length",
                    "tojson",
                    "tojson(indent=2)",
                    "default('D')",
                    "default('D', true)",
                    "list",
                    "first",
                    "last",
                    "int",
                    "float",
                    "upper",
                    "trim",
                    "join(',')",
                    "string|length",
                    "safe",
                    "e",
                    "reverse|list",
                    "upper|trim|title",
                )
            )
        )

    def _sequence_filter(self) -> str:
        return str(
            self._pick(
                (
                    "join('+')",
                    "map('string')|join",
                    "map('upper')|list",
                    "select|list",
                    "reject('none')|list",
                    "map('string')|sort",
                    "map('string')|unique|list",
                    "map('string')|max",
                    "batch(2)|list",
                    "batch(2, 0)|map('list')|list",
                    "slice(2)|list",
                    "first",
                    "last",
                    "reverse|list",
                    "length",
                    "select('string')|map('trim')|list",
                    "string",
                    "tojson",
                )
            )
        )

    def _message_filter(self) -> str:
        key, role = self._pick(KEYS), self._pick(ROLES)
        return str(
            self._pick(
                (
                    f"map(attribute='{key}')|list",
                    f"selectattr('role', 'equalto', '{role}')|list|length",
                    f"rejectattr('role', 'in', ['{role}', 'tool'])|map(attribute='role')|join",
                    f"selectattr('{key}', 'defined')|map(attribute='role')|list",
                    "groupby('role')|map('first')|list",
                    f"map(attribute='{key}', default='-')|join(',')",
                    "length",
                    "first",
                    "last",
                    "sort(attribute='role')|map(attribute='role')|list",
                    "tojson",
                    "string",
                    "map('length')|sum",
                )
            )
        )
