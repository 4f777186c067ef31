"""A look at the first rows of an input: their schema, and decisions needed before the run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from turnmill import _core
from turnmill._problems import Problems
from turnmill.encoder.session import Inspection, Session
from turnmill.errors import DataError, RecipeError
from turnmill.inputs.files import FileInput, InputPart, readable_arrow
from turnmill.inputs.find import Input
from turnmill.inputs.memory import MemoryInput
from turnmill.output.answers import SCHEMAS

_FIRST_ROWS = 1000
"""Number of rows in memory that are inspected."""
_NO_ROWS = Inspection("auto")


def inspect_input(input_: Input, session: Session, *, check_backend: bool = True) -> Inspection:
    """The schema of an input, and what the choices of ``history`` cost on its first rows.

    Args:
        input_: The input.
        session: Made from the recipe.
        check_backend: As in `Session.inspect`.

    Raises:
        DataError: The first rows cannot be read, or have no schema.
        RecipeError: The rows need a decision that the recipe does not make.
    """
    head = _head(input_)
    if head is None or head.is_blank:
        return _NO_ROWS
    guard = readable_arrow(input_.name) if input_.columnar else contextlib.nullcontext()
    try:
        with guard:
            return session.inspect(
                head, input_.name, overrides=input_.overrides, check_backend=check_backend
            )
    except DataError as error:
        if isinstance(input_, FileInput) and not input_.columnar and error.code == "no-rows":
            return _NO_ROWS
        raise


def detect_schema(input_: Input) -> None:
    """Looks whether the first rows have a schema, before there is a session.

    Raises:
        DataError: The first rows cannot be read, or have no schema.
    """
    head = _head(input_)
    if head is not None and not head.is_blank:
        head.detect(input_.name)


def row_keys(input_: FileInput) -> list[str]:
    """The keys of the first row in a file of JSON; none if it has none or cannot be read."""
    head = _first_blocks(input_)
    return [] if head.is_blank else head.keys()


def inspect_all(inputs: Sequence[Input], session: Session) -> list[Inspection]:
    """`inspect_input` for every input; the problems of all are told together."""
    problems, inspections = Problems(), []
    for input_ in inputs:
        with problems:
            inspections.append(inspect_input(input_, session))
    problems.tell()
    return inspections


def require_one_form(
    schemas: Iterable[str], pack: int | None, *, strategy: str = "best-fit", prompts: bool = False
) -> None:
    """Refuses inputs whose rows would need different columns, or that no packed row can hold.

    Raises:
        RecipeError: Some inputs judge their answers, and others do not or in another way; or they
            do, or are prompts, and the recipe packs; or packing would cut their turns.
    """
    if prompts and pack is not None:
        raise RecipeError(
            "prompts cannot be packed: each is answered by itself",
            code="pack-of-prompts",
            hint="leave --pack out",
        )
    found = sorted(set(schemas) - {"auto"})
    judged = [schema for schema in found if schema in SCHEMAS]
    if judged and len(found) > 1:
        raise RecipeError(
            f"rows of the schemas {' and '.join(found)} need columns that differ",
            code="mixed-schemas",
            hint="prepare each into an output of its own",
        )
    if judged and pack is not None:
        raise RecipeError(
            f"rows of the schema {judged[0]} cannot be packed: each answer stands alone",
            code="pack-of-answers",
            hint="leave --pack out",
        )
    turns = [schema for schema in found if schema != "text"]
    if turns and pack is not None and strategy == "split":
        raise RecipeError(
            f"strategy split cuts documents, and the rows hold turns ({turns[0]})",
            code="pack-of-turns",
            hint="use best-fit or in-order, which cut nothing; split is for schema text",
        )


def _head(input_: Input) -> _core.Head | None:
    """The first rows; ``None`` if there are none."""
    if input_.columnar:
        return _first_batch(input_)
    if isinstance(input_, MemoryInput):
        rows = list(input_.rows[:_FIRST_ROWS])
        return _core.Head(rows) if rows else None
    return _first_blocks(input_)


def _first_batch(input_: Input) -> _core.Head | None:
    stop = min(_FIRST_ROWS, len(input_.rows)) if isinstance(input_, MemoryInput) else -1
    with contextlib.closing(input_.batches(InputPart(0, stop))) as batches:
        first = next((batch for batch, _ in batches if batch.num_rows), None)
    if first is None:
        return None
    with readable_arrow(input_.name):
        return _core.Head(first)


def _first_blocks(input_: FileInput) -> _core.Head:
    """The first blocks of a file of JSON, up to the end of the first row."""
    head = _core.Head()
    with contextlib.closing(input_.blocks(InputPart())) as blocks:
        for block, _ in blocks:
            if head.feed(block):
                break
    return head
