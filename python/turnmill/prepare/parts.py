"""The parts of a run that several machines share: what each has done, and for which plan.

Every part works in a directory of its own inside the output, under its own lock, so that parts
need nothing from one another and may run at the same time or one after another. Its record is
written last: a part with a record is finished.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from turnmill.errors import ArgumentError, DataError
from turnmill.inputs.content import Content
from turnmill.inputs.files import FileInput, InputPart
from turnmill.output.differences import differences
from turnmill.prepare.plan import Plan, PlannedInput, ShardSpec
from turnmill.prepare.record import comparable, started
from turnmill.recipe import Quota
from turnmill.storage import STAGING
from turnmill.storage.listing import listing
from turnmill.storage.remote import AnyPath
from turnmill.storage.sealed import read_sealed, write_sealed

PARTS = f"{STAGING}/parts"
RECORD = "part.json"
_SEPARATOR = "-of-"


@dataclass(frozen=True)
class PartNumber:
    """Which part of how many, counted from 1."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number} of {self.count}"

    @classmethod
    def of(cls, given: Any) -> PartNumber:
        """From a pair of numbers.

        Raises:
            ArgumentError: It is not such a pair.
        """
        pair = tuple(given) if isinstance(given, tuple | list) else ()
        if len(pair) == 2 and all(type(number) is int for number in pair):
            number, count = pair
            if 1 <= number <= count:
                return cls(number, count)
        message = f"shard cannot be {given!r}"
        hint = "shard takes a pair such as (2, 8), the second of eight parts; they count from 1"
        raise ArgumentError(message, code="invalid-shard", hint=hint)

    def shards(self, plan: Plan) -> list[ShardSpec]:
        """The shards that this part makes: every so many, so that all parts have as much to do."""
        return plan.shards[self.number - 1 :: self.count]

    def place(self, output: AnyPath) -> AnyPath:
        """The directory in which it works."""
        return output / f"{PARTS}/{self.number}{_SEPARATOR}{self.count}"


@dataclass(frozen=True)
class PartRecord:
    """What a part says of itself when it is finished."""

    number: int
    count: int
    identity: dict[str, Any]
    """What decides the bytes."""
    recipe: dict[str, Any]
    inputs: list[dict[str, Any]]
    """The whole plan, that of the other parts included."""
    shards: list[str]
    """The shards that it made."""
    tokenizer: str
    """Where the tokenizer was found."""
    format: str
    bytes_read: int
    left: list[str]
    """Files of the input directories that are not read."""
    remarks: list[str]
    """Remarks on the inputs, for the end of the run."""

    @property
    def part(self) -> PartNumber:
        """Which part it is."""
        return PartNumber(self.number, self.count)

    def write(self, place: AnyPath) -> None:
        """Marks the part in ``place`` as finished."""
        write_sealed(place / RECORD, asdict(self))

    def comparable(self) -> dict[str, Any]:
        """What all parts of one run have in common."""
        recipe = comparable(self.identity)["recipe"]
        own = {name: self.recipe[name] for name in ("pack", "pack_strategy")}
        identity = {**comparable(self.identity), "recipe": {**recipe, **own}}
        inputs = {f"{number}: {one['name']}": one for number, one in enumerate(self.inputs)}
        return {**identity, "format": self.format, "inputs": inputs}

    def plan(self) -> Plan:
        """The plan of the run. Its inputs have only names: nothing can be read from them."""
        return Plan(tuple(map(_planned, self.inputs)))


def parts_of(output: AnyPath) -> list[PartNumber]:
    """The parts of an output that were begun, in order."""
    places = listing(output / PARTS)
    # A merge that was killed at its very end leaves directories that are empty.
    names = [name for name in places if listing(output / PARTS / name)]
    pairs = [name.partition(_SEPARATOR)[::2] for name in names]
    found = [PartNumber(int(a), int(b)) for a, b in pairs if a.isdecimal() and b.isdecimal()]
    return sorted(found, key=lambda part: (part.count, part.number))


def read_records(output: AnyPath) -> list[PartRecord]:
    """The records of all parts that are finished.

    Raises:
        DataError: One is damaged, or was made from something else than the others.
    """
    records = [found for part in parts_of(output) if (found := _read(part.place(output)))]
    for other in records[1:]:
        first = records[0]
        if other.comparable() != first.comparable():
            lines = differences(first.comparable(), other.comparable())
            shown = "\n".join(f"  {line}" for line in lines)
            raise DataError(
                f"part {other.part} was made from something else than part {first.part}:\n{shown}",
                code="other-part",
                path=str(other.part.place(output)),
                hint="run one of them again with the command of the others and --overwrite, or "
                "remove its directory",
            )
    return records


def require_parts(output: AnyPath, missing: Iterable[str], records: Sequence[PartRecord]) -> None:
    """Refuses an output of which shards are missing.

    Args:
        output: The output.
        missing: The names of the shards.
        records: The records of the parts that are finished.

    Raises:
        DataError: Some are; the error names the parts that make them.
    """
    lost = set(missing)
    if not lost:
        return
    count = records[-1].count
    order = [spec.name for spec in records[-1].plan().shards]
    parts = sorted({order.index(name) % count + 1 for name in lost})
    begun = parts_of(output)
    lines = [
        f"part {number} of {count}"
        + (" was begun and is not finished" if PartNumber(number, count) in begun else "")
        for number in parts
    ]
    raise DataError(
        f"{len(lost):,} of {len(order):,} shards are missing: {', '.join(lines)}",
        code="missing-part",
        path=str(output),
        hint=f"run the command of this output with --shard {parts[0]}/{count}, then merge again",
    )


def settled_by_parts(output: AnyPath) -> str | None:
    """The date that templates saw in a part that was begun, if they read it."""
    plans = [started(part.place(output)) for part in parts_of(output)]
    dates = [plan["facts"].get("now") for plan in plans if plan]
    return next((date for date in dates if date), None)


def described(plan: Plan) -> list[dict[str, Any]]:
    """A plan as JSON holds it."""
    return [_described(planned) for planned in plan.inputs]


def _described(planned: PlannedInput) -> dict[str, Any]:
    input_ = planned.input
    value = {
        "name": input_.name,
        "format": input_.format,
        "compression": input_.compression,
        "overrides": input_.overrides,
        "item": input_.item,
        "quota": asdict(input_.quota),
        "key": planned.key,
        "schema": planned.schema,
        "history": planned.history,
        "shards": [
            {
                "schema": spec.schema,
                "mixed": spec.mixed,
                "part": [getattr(spec.part, name) for name in _RANGE],
                "content": spec.part.content and [spec.part.content.size, spec.part.content.sha256],
            }
            for spec in planned.shards
        ],
    }
    normal: dict[str, Any] = json.loads(json.dumps(value))
    return normal


_RANGE = ("start", "stop", "first_row", "first_line", "size")


def _planned(value: dict[str, Any]) -> PlannedInput:
    # Of an input only what the record of a run tells; it is never opened, even if it is a file.
    input_ = FileInput(
        value["name"],
        value["format"],
        value["compression"],
        overrides=value["overrides"],
        item=value["item"],
        quota=Quota(**value["quota"]),
    )
    shards = tuple(
        ShardSpec(value["key"], number, shard["schema"], _range(shard), input_, shard["mixed"])
        for number, shard in enumerate(value["shards"])
    )
    return PlannedInput(input_, value["key"], value["schema"], shards, value["history"])


def _range(shard: dict[str, Any]) -> InputPart:
    content = shard["content"] and Content(*shard["content"])
    return InputPart(**dict(zip(_RANGE, shard["part"], strict=True)), content=content)


def _read(place: AnyPath) -> PartRecord | None:
    value = read_sealed(place / RECORD)
    try:
        return None if value is None else PartRecord(**value)
    except TypeError:
        raise DataError(
            "the record of the part is of another version of turnmill",
            code="other-part",
            path=str(place / RECORD),
            hint="run the part again with this version",
        ) from None
