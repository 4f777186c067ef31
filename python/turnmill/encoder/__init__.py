"""Rows to training samples, in memory and for the engines that run `prepare` elsewhere."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from turnmill import _core
from turnmill._arguments import checked_recipe, thread_count
from turnmill._locate import locate_tokenizer
from turnmill.errors import RecipeError, TokenizerError
from turnmill.recipe import Recipe

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Encoded", "Encoder"]

_TOKENIZER_FILES = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.jinja",
    "additional_chat_templates/*.jinja",
)


@dataclass(frozen=True)
class Encoded:
    """What `Encoder.encode` made of some rows: every row is in one of the two tables."""

    table: pa.Table
    """One row per sample: `row` int64 (of the input, from 0) and `sample` int32 (within its row),
    then the recipe's columns."""
    rejects: pa.Table
    """One row per reject: `row` int64, `code` and `reason` string, `turn` int32 (the message it
    concerns, or null)."""
    counts: dict[str, int]
    """How often each rule was counted, rejects included, by the rule's name."""


class Encoder:
    """A recipe made ready: tokenizer, template and stop set, checked before the first row.

    An encoder is shared freely between threads. It pickles as the paths it was made from with a
    hash that is checked where it is loaded; with `embed` the pickle carries the files themselves.

    The first rows that it reads from a file or from Arrow data are encoded by the reference
    backend too, once per tokenizer and version. Where the ids differ, the reference takes the fast
    backend's place, with a warning and a note in the run record.

    >>> from importlib.resources import files
    >>> recipe = Recipe(tokenizer=files("turnmill") / "demo" / "tokenizer")
    >>> encoded = Encoder(recipe).encode([{"text": "to be"}, {"text": None}])
    >>> encoded.table["row"].to_pylist(), encoded.rejects["code"].to_pylist()
    ([0], ['null-content'])

    Args:
        recipe: What to make of rows.
        embed: Pickle the tokenizer's files, for machines that cannot see the path.

    Raises:
        RecipeError: The recipe needs a decision, such as which tokens to stop on.
        TokenizerError: The tokenizer is missing or broken.
        TemplateError: The template is missing, broken, or its turns cannot be located.
    """

    def __init__(self, recipe: Recipe, *, embed: bool = False) -> None:
        self.recipe = checked_recipe(recipe)
        if not recipe.tokenizer:
            raise RecipeError(
                "the recipe names no tokenizer",
                code="no-tokenizer",
                hint="set tokenizer to the directory of the model to train",
            )
        self._path = locate_tokenizer(recipe.tokenizer)
        keys = {**recipe.to_dict(), "tokenizer": str(self._path), "inputs": None}
        # Templates see local time, as in transformers; a day rather than a moment, so that the
        # processes of one run agree.
        keys["now"] = keys["now"] or dt.date.today().isoformat()  # noqa: DTZ011
        self._keys = json.dumps(keys)
        self._core = _core.Encoder(self._keys)
        self._for_inputs: dict[str, _core.Encoder] = {}
        self._difference: str | None = None
        self._checked = False
        self._files = _read_files(self._path) if embed else None
        self._schemas: dict[tuple[str, ...], str] = {}
        self._prices: dict[tuple[str, str], str | None] = {}

    def encode(self, rows: Any, *, threads: int | None = None) -> Encoded:
        """Encodes rows; one that cannot be used is listed among the rejects.

        Args:
            rows: A list or iterator of dicts, a pyarrow table or batch, a `datasets.Dataset`,
                anything with `__arrow_c_stream__`, or a path, glob, URI or list of these.
            threads: Number of threads; all cores if not given. The result never depends on it.

        Raises:
            DataError: The rows have no schema, or several.
            RecipeError: The rows need a decision that the recipe does not make.
        """
        from turnmill.encoder.collect import encode

        return encode(self, rows, threads=thread_count(threads))

    def __call__(self, batch: Any) -> Any:
        """Encodes one batch for `datasets.map`, Ray, Spark and the like.

        `data.map(encoder, batched=True)` takes plain rows; as Arrow data,
        `data.with_format("arrow")`, they are encoded without a Python object for each token.

        Args:
            batch: A dict of columns, or anything Arrow.

        Returns:
            As many rows as came in: the recipe's columns and `reject`, a struct of `code`,
            `reason` and `turn` that is null for a row that was encoded. A rejected row has null
            columns. A dict of lists for a dict, a record batch for a record batch, else a table.

        Raises:
            RecipeError: The recipe makes several samples of one row.
        """
        from turnmill.encoder.collect import encode_batch

        return encode_batch(self, batch, self._schemas)

    def _inspect_bytes(self, data: bytes, *, path: str, own_keys: str = "{}") -> str:
        """The schema of an input that starts with these bytes of JSON."""
        core = self._for_input(own_keys)
        schema, self._prices[path, own_keys] = core.inspect_bytes(data, path)
        self._self_check(core, lambda: core.self_check_bytes(data))
        return schema

    def _inspect_rows(self, rows: list[Any], *, path: str, own_keys: str = "{}") -> str:
        """The schema of an input that starts with these dicts."""
        from turnmill.inputs.memory import json_line

        core = self._for_input(own_keys)
        schema, self._prices[path, own_keys] = core.inspect_rows(rows, path)
        self._self_check(core, lambda: core.self_check_bytes(b"".join(map(json_line, rows))))
        return schema

    def _inspect_batch(self, batch: pa.RecordBatch, *, path: str, own_keys: str = "{}") -> str:
        """The schema of an input that starts with this batch."""
        core = self._for_input(own_keys)
        schema, self._prices[path, own_keys] = core.inspect_batch(batch, path)
        self._self_check(core, lambda: core.self_check_batch(batch))
        return schema

    def _history_prices(self, path: str, own_keys: str = "{}") -> dict[str, Any] | None:
        """What each choice of `history` costs on the first rows of an input that was inspected.

        Nothing where the template shows earlier turns as inference did, or the recipe chooses.
        """
        prices = self._prices.get((path, own_keys))
        return None if prices is None else dict(json.loads(prices))

    def _for_input(self, own_keys: str) -> _core.Encoder:
        """The core for an input with these recipe keys of its own, as JSON."""
        if own_keys == "{}":
            return self._core
        if own_keys not in self._for_inputs:
            self._for_inputs[own_keys] = self._core.for_input(own_keys)
        return self._for_inputs[own_keys]

    def _self_check(
        self, core: _core.Encoder, compare: Callable[[], tuple[int, str | None]]
    ) -> None:
        """Takes the reference backend where the fast one gives other ids; looks once."""
        if self._checked:
            return
        self._checked = True
        from turnmill import __version__
        from turnmill.encoder import self_check

        found = self_check.difference(core.fingerprint, __version__, compare)
        if found is not None:
            warnings.warn(
                "the fast tokenizer backend gave other ids than the tokenizers library, so the "
                f"slow reference backend is used; please report this: {found}",
                RuntimeWarning,
                stacklevel=3,
            )
            self._use_reference(found)

    def _use_reference(self, difference: str | None) -> None:
        self._checked = True
        if difference is not None:
            self._difference = difference
            self._core = _core.Encoder(self._keys, difference)
            self._for_inputs = {}

    def _open_shard(
        self,
        *,
        schema: str,
        path: str,
        array: bool,
        first_row: int,
        first_line: int,
        threads: int | None,
        chunk_rows: int | None = None,
        mixed: bool = False,
        own_keys: str = "{}",
    ) -> _core.Shard:
        """An encoder of the rows of one input; the schema of an input without rows is `auto`.

        `mixed`: the output also holds rows of other schemas, so documents get every column too.
        """
        return self._for_input(own_keys).open_shard(
            "messages" if schema == "auto" else schema,
            path,
            array,
            first_row,
            first_line,
            threads,
            chunk_rows,
            mixed,
        )

    def _facts(self) -> dict[str, Any]:
        """Tokenizer, template and stop set in use, for the run record and for serving."""
        facts: dict[str, Any] = json.loads(self._core.facts())
        file = self._path / "tokenizer.json" if self._path.is_dir() else self._path
        facts["tokenizer"]["sha256"] = _sha256(self._files, file)
        if not (facts["template"] or {}).get("reads_date"):
            facts["now"] = None
        return facts

    def _identity(self) -> str:
        """Hash of everything that decides an output, wherever the files lie."""
        import hashlib

        facts = self._facts()
        facts["tokenizer"].pop("path")
        (facts["template"] or {}).pop("name", None)
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def __repr__(self) -> str:
        return f"Encoder({self.recipe!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        template = self.recipe.template
        if template is not None and _is_file(template):
            template = Path(template).read_text("utf-8") if self._files else _absolute(template)
        recipe = dataclasses.replace(
            self.recipe,
            inputs=None,
            tokenizer=str(self._path.resolve()),
            template=template,
            now=self.recipe.now or self._facts()["now"],
        )
        return _restore, (recipe, self._identity(), self._files, self._difference)


def _restore(
    recipe: Recipe, identity: str, files: dict[str, bytes] | None, difference: str | None
) -> Encoder:
    """Makes a pickled encoder again, which must be the one that was pickled."""
    if files is None:
        encoder = Encoder(recipe)
        encoder._use_reference(difference)
    else:
        encoder = _from_files(recipe, files, difference)
    if encoder._identity() != identity:
        raise TokenizerError(
            "the tokenizer or template is not the one that was pickled: files have changed",
            code="tokenizer-changed",
            path=encoder._path,
            hint="use the same files on every machine, or pickle with embed=True",
        )
    return encoder


def _read_files(path: Path) -> dict[str, bytes]:
    """What is read of a tokenizer directory, by name."""
    directory = path if path.is_dir() else path.parent
    file = path / "tokenizer.json" if path.is_dir() else path
    found = (item for pattern in _TOKENIZER_FILES for item in sorted(directory.glob(pattern)))
    others = {item.relative_to(directory).as_posix(): item.read_bytes() for item in found}
    return {"tokenizer.json": file.read_bytes(), **others}


def _from_files(recipe: Recipe, files: dict[str, bytes], difference: str | None) -> Encoder:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="turnmill-") as directory:
        for name, content in files.items():
            path = Path(directory, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        encoder = Encoder(dataclasses.replace(recipe, tokenizer=directory))
        encoder._use_reference(difference)
    encoder._files = files
    return encoder


def _sha256(files: dict[str, bytes] | None, file: Path) -> str:
    import hashlib

    content = file.read_bytes() if files is None else files["tokenizer.json"]
    return hashlib.sha256(content).hexdigest()


def _is_file(template: str | os.PathLike[str]) -> bool:
    text = os.fspath(template)
    return "{{" not in text and "{%" not in text and Path(text).is_file()


def _absolute(path: str | os.PathLike[str]) -> str:
    return str(Path(path).resolve())
