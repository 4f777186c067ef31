"""A recipe that is ready to encode, as the package uses it; `turnmill.Encoder` is its public face.

A session holds the core's encoder, an encoder for each input with its own recipe keys, and the
verdict on the tokenizer's fast backend.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from turnmill import _core
from turnmill._locate import locate_tokenizer
from turnmill._version import VERSION
from turnmill.encoder import self_check
from turnmill.encoder.embedded import Files, read_files, stamps, written
from turnmill.errors import RecipeError, TokenizerError
from turnmill.recipe import Recipe
from turnmill.tokenizer import Tokenizer

if TYPE_CHECKING:  # the inputs import pyarrow: see `turnmill.encoder.encoded`
    from turnmill.inputs.files import InputPart
    from turnmill.inputs.find import Input

_GENERATION = "generation_config.json"
NO_OVERRIDES = "{}"
"""The own recipe keys of an input that has none, as JSON."""


@dataclass(frozen=True)
class ShardOptions:
    """Which rows a shard takes, and how it encodes them. The core reads the attributes."""

    schema: str
    path: str
    """The input's name, for errors and the column `source`."""
    array: bool = False
    """Whether the bytes are one JSON array, not JSON Lines."""
    first_row: int = 0
    """Index of the first row, from 0."""
    first_line: int = 1
    """Line of the first byte, from 1."""
    threads: int | None = None
    """`None`: every processor that this process may use."""
    chunk_rows: int | None = None
    """Rows of one work item. The output does not depend on it."""
    mixed: bool = False
    """Whether the output also holds rows of other schemas; documents then get every column."""
    replayed: int = 0
    """How many rows from the first are compared with the prompts that a server would send."""
    validation: float = 0.0
    """The share of conversations whose samples are set apart."""
    waiting: bool = False
    """Whether samples come in the form in which they wait for a shuffle."""
    overrides: str = NO_OVERRIDES
    """Recipe keys for this input only, as JSON."""

    @classmethod
    def of(cls, input_: Input, schema: str, part: InputPart, **options: Any) -> Self:
        """For a part of an input; the schema of an input without rows is ``auto``."""
        return cls(
            schema="messages" if schema == "auto" else schema,
            path=input_.name,
            array=input_.format == "array",
            first_row=part.first_row,
            first_line=part.first_line,
            overrides=input_.overrides,
            **options,
        )


@dataclass(frozen=True)
class Inspection:
    """The result of inspecting the first rows of an input."""

    schema: str
    """``auto`` if there are no rows."""
    history: dict[str, Any] | None = None
    """What each choice of ``history`` costs on them. ``None`` if the template shows earlier
    turns as inference did, or if the recipe chooses."""


class Session:
    """A recipe with its tokenizer, template and stop set, checked before the first row.

    Args:
        recipe: How to make samples from rows.
        now: The date that templates see if the recipe names none; today by default.
        difference: What a self-check found earlier: the tokenizer's reference backend is used.
        embed: Keep the tokenizer's files, to be pickled.

    Raises:
        RecipeError: The recipe needs a decision, such as which tokens to stop on.
        TokenizerError: The tokenizer is missing or broken.
        TemplateError: The template is missing, broken, or its turns cannot be located.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        now: str | None = None,
        difference: str | None = None,
        embed: bool = False,
    ) -> None:
        if not recipe.tokenizer:
            raise RecipeError(
                "the recipe names no tokenizer",
                code="no-tokenizer",
                hint="set tokenizer to the directory of the model to train",
            )
        self.recipe = recipe
        self.path = locate_tokenizer(recipe.tokenizer)
        """Directory of the tokenizer, or its ``tokenizer.json``."""
        self.files: Files | None = None
        if embed:
            self.embed()
        self.difference = difference
        """The difference between the tokenizer's backends, if one was found."""
        # Templates see local time, as in transformers; a day and not a moment, so that the
        # processes of one run agree.
        self._now = now or dt.date.today().isoformat()  # noqa: DTZ011
        self._core = self._encoder()
        self._for_inputs: dict[str, _core.Encoder] = {}
        self._is_checked = False

    def embed(self) -> None:
        """Keeps the tokenizer's files, to be pickled, unless they are kept already."""
        self.files = self.files or read_files(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        template = self.recipe.template
        if template is not None and _is_file(template):
            template = Path(template).read_text("utf-8") if self.files else _absolute(template)
        recipe = dataclasses.replace(
            self.recipe,
            inputs=None,
            tokenizer=str(self.path.resolve()),
            template=template,
            now=self.recipe.now or self.facts()["now"],
        )
        return _unpickled, (recipe, self.identity(), self.files, self.difference)

    @classmethod
    def restored(cls, recipe: Recipe, files: Files | None, difference: str | None) -> Self:
        """A session with the verdict of another process's self-check, `difference`."""
        if files is None:
            session = cls(recipe, difference=difference)
        else:
            with written(files) as directory:
                recipe = dataclasses.replace(recipe, tokenizer=directory)
                session = cls(recipe, difference=difference)
            session.files = files
        session._is_checked = True
        return session

    def inspect(
        self,
        head: _core.Head,
        path: str,
        *,
        overrides: str = NO_OVERRIDES,
        check_backend: bool = True,
    ) -> Inspection:
        """Looks at the first rows of an input.

        Args:
            head: The rows.
            path: The input's name, for errors.
            overrides: Recipe keys for this input only, as JSON.
            check_backend: Whether to compare the tokenizer's backends, if that was not done yet.

        Raises:
            DataError: The rows have no schema.
            RecipeError: The rows need a decision that the recipe does not make.
        """
        core = self._for_input(overrides)
        schema, history = core.inspect(head, path)
        if check_backend and not self._is_checked:
            self._check_backend(core, head)
        return Inspection(schema, None if history is None else json.loads(history))

    def open_shard(self, options: ShardOptions, check: _core.Check | None = None) -> _core.Shard:
        """An encoder of the rows of one input, or of a part of it. A `check` may ask for more."""
        return self._for_input(options.overrides).open_shard(options, check)

    def open_check(self, evidence: int, served: _core.Served | None = None) -> _core.Check:
        """A check of shards of this session, which will be served in that way.

        So many places are kept for each rule.
        """
        return _core.Check(self._core, evidence, served)

    def look(self, row: bytes, schema: str, overrides: str = NO_OVERRIDES) -> dict[str, Any] | None:
        """What a row, as JSON, is read and rendered as; ``None`` if it is not a conversation."""
        return self._for_input(overrides).look(row, schema)

    def facts(self) -> dict[str, Any]:
        """Tokenizer, template and stop set in use, for the run record and for serving."""
        facts: dict[str, Any] = json.loads(self._core.facts())
        facts["tokenizer"]["sha256"] = _sha256(self._tokenizer_file())
        if not (facts["template"] or {}).get("reads_date"):
            facts["now"] = None
        if sampling := self._sampling():
            facts["sampling"] = sampling
        return facts

    def _sampling(self) -> dict[str, Any]:
        """What the model's ``generation_config.json`` says but for the ids that turnmill names."""
        if self.files is not None:
            text = self.files.get(_GENERATION, b"{}")
        else:
            directory = self.path if self.path.is_dir() else self.path.parent
            file = directory / _GENERATION
            text = file.read_bytes() if file.is_file() else b"{}"
        config: dict[str, Any] = json.loads(text)
        return {name: value for name, value in config.items() if not name.endswith("token_id")}

    def identity(self) -> str:
        """Hash of everything that decides an output; paths do not count."""
        facts = self.facts()
        facts["tokenizer"].pop("path")
        facts.pop("sampling", None)
        (facts["template"] or {}).pop("name", None)
        return _sha256(json.dumps(facts, sort_keys=True).encode())

    def stop_ids(self) -> frozenset[int]:
        """Ids that the serving side stops on."""
        return frozenset(stop["id"] for stop in self.facts()["stop"])

    def tokenizer(self) -> Tokenizer:
        """The tokenizer in use; it is not loaded a second time."""
        return Tokenizer._of(self._core.tokenizer)

    def _tokenizer_file(self) -> bytes:
        if self.files is not None:
            return self.files["tokenizer.json"]
        file = self.path / "tokenizer.json" if self.path.is_dir() else self.path
        return file.read_bytes()

    def _for_input(self, overrides: str) -> _core.Encoder:
        if overrides == NO_OVERRIDES:
            return self._core
        if overrides not in self._for_inputs:
            self._for_inputs[overrides] = self._core.for_input(overrides)
        return self._for_inputs[overrides]

    def _check_backend(self, core: _core.Encoder, head: _core.Head) -> None:
        """Switches to the reference backend if the fast one gives other ids. Checks once."""
        self._is_checked = True
        found = self_check.difference(core.fingerprint, VERSION, lambda: core.self_check(head))
        if found is None:
            return
        warnings.warn(
            "the fast tokenizer backend gave other ids than the tokenizers library, so the "
            f"slow reference backend is used; please report this: {found}",
            RuntimeWarning,
            stacklevel=2,
        )
        self.difference = found
        self._core = self._encoder()
        self._for_inputs = {}

    def _encoder(self) -> _core.Encoder:
        recipe = self.recipe._checked
        return _core.Encoder(recipe, str(self.path), self._now, self.difference)


def _unpickled(
    recipe: Recipe, identity: str, files: Files | None, difference: str | None
) -> Session:
    """The session that was pickled, loaded once in a process.

    Engines send a function with each of their tasks; its tokenizer is not loaded for each.
    """
    seen = () if files else (*stamps(Path(str(recipe.tokenizer))), *_stamp_of(recipe.template))
    key = (json.dumps(recipe.to_dict(), sort_keys=True), identity, difference, files is None, seen)
    if key not in _unpickled_before:
        session = _restored(recipe, identity, files, difference)
        if len(_unpickled_before) >= _KEPT:
            _unpickled_before.clear()
        _unpickled_before[key] = session
    return _unpickled_before[key]


_KEPT = 4
"""How many sessions a process keeps that were sent to it."""
_unpickled_before: dict[tuple[Any, ...], Session] = {}


def _stamp_of(template: str | os.PathLike[str] | None) -> tuple[int, ...]:
    if template is None or not _is_file(template):
        return ()
    stat = Path(template).stat()
    return stat.st_mtime_ns, stat.st_size


def _restored(
    recipe: Recipe, identity: str, files: Files | None, difference: str | None
) -> Session:
    """Makes a pickled session again, which must be the one that was pickled."""
    session = Session.restored(recipe, files, difference)
    if session.identity() == identity:
        return session
    if files is not None:
        raise TokenizerError(
            "what was sent of the tokenizer or template is read otherwise on this machine",
            code="tokenizer-changed",
            path=session.path,
            hint="install the same build of turnmill on all machines",
        )
    raise TokenizerError(
        "the tokenizer or template is not the one that was pickled: files have changed",
        code="tokenizer-changed",
        path=session.path,
        hint="use the same files on every machine, or pickle with embed=True",
    )


def _is_file(template: str | os.PathLike[str]) -> bool:
    text = os.fspath(template)
    return "{{" not in text and "{%" not in text and Path(text).is_file()


def _absolute(path: str | os.PathLike[str]) -> str:
    return str(Path(path).resolve())


def _sha256(content: bytes) -> str:
    import hashlib  # slow to import, and not needed for `turnmill --help`

    return hashlib.sha256(content).hexdigest()
