"""The text around a row, as the script has it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

SYSTEM = "You are a helpful assistant. 你是一个乐于助人的助手。"
END = "<|eot_id|>"
STOP = (END, "<|end_of_text|>")
"""What the project's own inference stops on."""
_HEADER = "<|start_header_id|>{}<|end_header_id|>\n\n"
_BEFORE = _HEADER.format("system") + SYSTEM + END + _HEADER.format("user")
_BETWEEN = END + _HEADER.format("assistant")

TEMPLATE = (
    "{%- macro head(role) -%}{{ '<|start_header_id|>' + role + '<|end_header_id|>\\n\\n' }}"
    "{%- endmacro -%}"
    "{%- for message in messages -%}"
    "{%- if message.role != 'assistant' -%}{{ head(message.role) }}{%- endif -%}"
    "{{- message.content + '<|eot_id|>' -}}"
    "{%- if message.role == 'user' -%}{{ head('assistant') }}{%- endif -%}"
    "{%- endfor -%}"
)
"""The same as a chat template."""


def pair(instruction: Any, extra: Any, output: Any) -> tuple[Any, Any]:
    """Prompt and answer of each row: what `str.format` makes of their values in Python.

    Raises:
        TypeError: An input stands beside an instruction, and one of them is not a text.
    """
    columns = [column.combine_chunks() for column in (instruction, extra, output)]
    if all(_is_text(column) for column in columns):
        return _of_texts(*(column.cast(pa.large_string()) for column in columns))
    rows = zip(*(column.to_pylist() for column in columns), strict=True)
    made = [(_BEFORE + str(_question(*row[:2])) + _BETWEEN, str(row[2]) + END) for row in rows]
    prompts, answers = zip(*made, strict=True)
    return pa.array(prompts, pa.large_string()), pa.array(answers, pa.large_string())


def _is_text(column: pa.Array) -> bool:
    kind = column.type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)
    )


def _of_texts(instruction: Any, extra: Any, output: Any) -> tuple[Any, Any]:
    is_extra = pc.not_equal(pc.fill_null(extra, ""), "")
    lone = pc.and_(is_extra, pc.is_null(instruction))
    if pc.any(lone).as_py():
        raise TypeError("the instruction of a row with an input is null")
    instruction, output = (pc.fill_null(column, "None") for column in (instruction, output))
    join = pc.binary_join_element_wise
    texts = [pa.scalar(text, pa.large_string()) for text in ("", "\n", _BEFORE, _BETWEEN, END)]
    nothing, newline, before, between, end = texts
    both = join(instruction, pc.fill_null(extra, ""), newline)
    asked = pc.if_else(is_extra, both, instruction)
    return join(before, asked, between, nothing), join(output, end, nothing)


def _question(instruction: Any, extra: Any) -> Any:
    return instruction if extra is None or extra == "" else instruction + "\n" + extra
