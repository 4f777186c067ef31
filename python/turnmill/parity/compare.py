"""Compares both sides row by row: what differs, where and why."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from turnmill import _core
from turnmill._version import VERSION
from turnmill.encoder.inspect import inspect_input
from turnmill.encoder.ready import ready
from turnmill.encoder.row import EncodedRow, encode_row
from turnmill.encoder.session import Session
from turnmill.errors import TurnmillError
from turnmill.inputs.find import Input
from turnmill.inputs.rows import PickedRow, rows_of
from turnmill.parity.others import reference_of
from turnmill.parity.reference import Reference, Theirs
from turnmill.parity.result import UNEXPLAINED, Difference, Kind, Parity
from turnmill.recipe import Recipe
from turnmill.rules import IGNORED

_IDS_RULES = (
    "special-token-in-content",
    "eos-inserted",
    "turns-left-out",
    "history-rewritten",
)
"""Rules that count rows whose ids are not those of transformers."""

_SHOWN = 40
"""Characters or tokens that are shown of a difference."""


def compare(data: Any, recipe: Recipe, rows: int | None, against: str = "transformers") -> Parity:
    """Compares the first ``rows`` rows of every input."""
    # transformers always uses the machine's clock.
    now = dt.datetime.now().isoformat(timespec="seconds")  # noqa: DTZ005
    recipe = dataclasses.replace(recipe, now=now)
    session, inputs = ready(recipe, data)
    facts = session.facts()
    template = facts["template"] or {}
    given = None if template.get("own") else template.get("source")
    has_tags = "endgeneration" in (template.get("source") or "")
    reference = reference_of(against, session.path, given, has_tags=has_tags)
    versions = {"turnmill": VERSION, **reference.versions}
    has_mask = has_tags or against != "transformers"
    found = Parity(versions, has_mask, against=against)
    side = _Side(session, reference, found)
    for input_ in inputs:
        schema = inspect_input(input_, session).schema
        for picked in islice(rows_of(input_), rows):
            found.rows += 1
            side.compare(input_, schema, picked)
    return found


class _Side:
    """Both sides, and what was found."""

    def __init__(self, session: Session, reference: Reference, found: Parity) -> None:
        self._session = session
        self._reference = reference
        self._found = found
        self._tokenizer = session.tokenizer()
        self._stops = session.stop_ids()
        self._variants: dict[str, Session | None] = {}

    def compare(self, input_: Input, schema: str, picked: PickedRow) -> None:
        """Compares one row."""
        made = encode_row(picked, self._session, input_, schema)
        self._found.count_row(made.counts, [reject["code"] for reject in made.rejects])
        ours = self._session.look(_json(picked), schema)
        if ours is None or "messages" not in ours:
            # Not a conversation, or not readable: nothing reaches a template.
            return
        self._found.conversations += 1
        row = _Compared(self._found, input_.name, picked)
        theirs = self._reference.encode(self._merged(ours), mask=self._found.has_mask)
        if isinstance(theirs, str) or "text" not in ours:
            self._one_refuses(row, ours, theirs)
            return
        if row.differs("render", ours["text"], theirs.text, UNEXPLAINED):
            return
        if self._same_ids(row, made, theirs, ours["text"]) and theirs.mask is not None:
            variant = lambda key: self._variant_mask(key, input_, schema, picked)  # noqa: E731
            self._same_mask(row, made, theirs, ours, variant)

    def _merged(self, ours: dict[str, Any]) -> dict[str, Any]:
        return {**ours, "variables": {**self._session.recipe.template_kwargs, **ours["variables"]}}

    def _one_refuses(self, row: _Compared, ours: dict[str, Any], theirs: Theirs | str) -> None:
        refused = isinstance(theirs, str), "text" not in ours
        if all(refused):
            self._found.refused += 1
            return
        row.add(
            "render",
            UNEXPLAINED,
            None,
            "refused: " + ours["reject"][1] if refused[1] else "renders",
            f"raises {theirs}" if isinstance(theirs, str) else "renders",
        )

    def _same_ids(self, row: _Compared, made: EncodedRow, theirs: Theirs, text: str) -> bool:
        plain = self._tokenizer.encode(text).tolist()
        if plain != theirs.ids:
            rebuilt = plain == self._reference.encode_with_file(text)
            cause = "tokenizer rebuilt by transformers" if rebuilt else UNEXPLAINED
            return not row.differs("ids", plain, theirs.ids, cause, self._token_text)
        if made.rejects:
            reject = made.rejects[0]
            row.add("ids", reject["code"], None, f"rejected: {reject['reason']}", "encodes")
            return False
        ids = [sample["input_ids"] for sample in made.samples]
        if len(ids) > 1:
            sizes = f"{len(ids)} samples of {', '.join(str(len(part)) for part in ids)} tokens"
            row.add("ids", "history-rewritten", None, sizes, f"{len(theirs.ids)} tokens")
            return False
        return not row.differs("ids", ids[0], theirs.ids, self._cause(made), self._token_text)

    def _cause(self, made: EncodedRow) -> str:
        """The rules that counted the row; else the key that cuts at another place."""
        rules = [rule for rule in _IDS_RULES if made.counts.get(rule)]
        if self._session.recipe.boundary == "apart":
            rules.append("boundary = apart")
        return " + ".join(rules) or UNEXPLAINED

    def _same_mask(
        self,
        row: _Compared,
        made: EncodedRow,
        theirs: Theirs,
        ours: dict[str, Any],
        variant: Any,
    ) -> None:
        (sample,) = made.samples
        assert theirs.mask is not None
        trained = _trained(sample)
        ended = _cut(theirs.mask, theirs.ids, self._stops)
        if trained == ended:
            row.differs("mask", trained, theirs.mask, "terminator-cut", _mask_text)
            return
        if self._found.against != "transformers":
            cause = self._by_token(theirs.ids, trained, ended, ours["messages"])
            if cause is not None:
                row.differs("mask", trained, theirs.mask, cause, _mask_text)
                return
        keys = {"reasoning": "train-empty", "history": "as-rendered", "train_on": "assistant"}
        causes = [
            f"{key} = {getattr(self._session.recipe, key)}"
            for key, exact in keys.items()
            if getattr(self._session.recipe, key) != exact
            and _is_closer(variant(f"{key}={exact}"), trained, ended)
        ]
        rules = ["turn-without-prompt", "untrained-assistant-turn"]
        if ended != theirs.mask:
            rules.append("terminator-cut")
        own = any(weight is not None for weight in ours["weights"])
        if own and not made.counts.get("turn-without-prompt"):
            causes.append("weights of messages")
        causes += [rule for rule in rules if made.counts.get(rule)]
        cause = " + ".join(causes) or UNEXPLAINED
        row.differs("mask", trained, theirs.mask, cause, _mask_text)

    def _by_token(
        self, ids: list[int], trained: list[int], theirs: list[int], messages: list[Any]
    ) -> str | None:
        """Why turnmill trains tokens that the other does not; None if that is not all of it.

        Either they end a turn, or they are text of the template: no message has it.
        """
        sides = list(zip(ids, trained, theirs, strict=True))
        if any(other and not own for _, own, other in sides):
            return None
        said = list(_texts(messages))
        causes: dict[str, None] = {}
        for id_ in (id_ for id_, own, other in sides if own and not other):
            text = self._tokenizer._token_bytes([id_])[0].decode("utf-8", "replace").strip()
            if id_ in self._stops:
                causes["end of a turn"] = None
            elif not text or not any(text in value for value in said):
                causes["text of the template"] = None
            else:
                return None
        return " + ".join(causes) or None

    def _variant_mask(
        self, setting: str, input_: Input, schema: str, picked: PickedRow
    ) -> list[int] | None:
        """The trained tokens with another value of one key; ``None`` if that recipe is refused."""
        if setting not in self._variants:
            key, _, value = setting.partition("=")
            changed: dict[str, Any] = {key: value}
            try:
                session = Session(dataclasses.replace(self._session.recipe, **changed))
            except TurnmillError:
                self._variants[setting] = None
            else:
                self._variants[setting] = session
        session_ = self._variants[setting]
        if session_ is None:
            return None
        samples = encode_row(picked, session_, input_, schema).samples
        return _trained(samples[0]) if len(samples) == 1 else None

    def _token_text(self, ids: Sequence[int]) -> str:
        pieces = self._tokenizer._token_bytes(list(ids))
        return " ".join(
            f"{id_}:{_escaped(piece.decode('utf-8', 'backslashreplace'))}"
            for id_, piece in zip(ids, pieces, strict=True)
        )


@dataclasses.dataclass(frozen=True)
class _Compared:
    """One row, and the result that collects its differences."""

    found: Parity
    source: str
    picked: PickedRow

    def differs(self, kind: Kind, ours: Any, theirs: Any, cause: str, shown: Any = None) -> bool:
        """Counts two sides as equal or different."""
        if ours == theirs:
            self.found.equal[kind] += 1
            return False
        at = next(
            (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b),
            min(len(ours), len(theirs)),
        )
        shown = shown or _escaped
        width = _SHOWN if kind == "render" else _SHOWN // 8
        excerpt = slice(at, at + width)
        self.add(kind, cause, at, shown(ours[excerpt]), shown(theirs[excerpt]))
        return True

    def add(self, kind: Kind, cause: str, offset: int | None, ours: str, theirs: str) -> None:
        """Counts a difference."""
        place = (self.source, self.picked.row, self.picked.line)
        self.found.add(Difference(kind, cause, *place, offset, ours, theirs))


def _json(picked: PickedRow) -> bytes:
    """A row as JSON text."""
    if isinstance(picked.data, bytes):
        return picked.data
    if not isinstance(picked.data, pa.RecordBatch):
        return json.dumps(picked.data, default=repr).encode()
    (row,) = _core._read_batch(picked.data)
    return json.dumps(row).encode()


def _texts(value: Any) -> Iterator[str]:
    """Every text in a message, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        yield from (text for item in value.values() for text in _texts(item))
    elif isinstance(value, list):
        yield from (text for item in value for text in _texts(item))
    elif value is not None:
        yield json.dumps(value)


def _is_closer(variant: list[int] | None, trained: list[int], theirs: list[int]) -> bool:
    """Whether another value of a key explains a difference: fewer tokens differ then."""
    if variant is None:
        return False  # the recipe is refused
    if len(variant) != len(theirs):
        return True  # the key changes which tokens there are
    return _count_differences(variant, theirs) < _count_differences(trained, theirs)


def _count_differences(one: list[int], other: list[int]) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def _trained(sample: dict[str, Any]) -> list[int]:
    return [int(label != IGNORED) for label in sample["labels"]]


def _cut(mask: list[int], ids: list[int], stops: frozenset[int]) -> list[int]:
    """A mask whose runs end at their first stop id."""
    cut, ended = [], False
    for marked, id_ in zip(mask, ids, strict=True):
        ended = ended and bool(marked)
        cut.append(0 if ended else marked)
        ended = ended or (bool(marked) and id_ in stops)
    return cut


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _mask_text(mask: Sequence[int]) -> str:
    return " ".join("trained" if marked else "masked" for marked in mask)
