# What the compiled core offers to the Python package; checked against it by mypy.stubtest.

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, final

from turnmill.check.tokenized import AuditOptions

__all__ = [
    "IGNORED",
    "Audit",
    "Batch",
    "Check",
    "Encoder",
    "Flat",
    "Gatherer",
    "Head",
    "Output",
    "Recipe",
    "Served",
    "Shard",
    "Splitter",
    "Template",
    "Tokenizer",
    "_panic",
    "_parse_json",
    "_read_batch",
    "build_info",
    "check_input",
    "count_lines",
    "group_samples",
    "judging_schemas",
    "nearest",
    "pack_lengths",
    "recipe_keys",
    "rules",
    "sample_digests",
    "stop_set",
    "token_columns",
]

IGNORED: int
"""The label of a token that is not trained."""

def build_info() -> dict[str, Any]:
    """What this build is, for bug reports."""

def recipe_keys() -> str:
    """The table of the recipe's keys as JSON, a list of objects: `name`, `form`, `group`,
    `default`, `takes`, `means`, `words` and `renamed` (pairs), and `flag` (how help calls the
    value, and its line)."""

def check_input(keys: str) -> tuple[float | None, float | None, int | None]:
    """Checks the settings of one input, given as JSON: `schema`, `fields`, `roles`, … Returns how
    many of its rows are written: as a share, in epochs, and at most."""

def judging_schemas() -> list[str]:
    """The schemas whose rows judge their answers."""

def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that is nearest to `name`, if it is near enough to be a typo."""

def sample_digests(batch: Any, columns: Sequence[str]) -> Flat:
    """A hash of the integer lists of each row, int64, over those of `columns` that are there."""

def count_lines(block: bytes, begun: bool) -> tuple[int, int, bool]:
    """Lines and blank lines that end in the next block of a file, and whether the line that has
    not ended holds anything; `begun` is what the block before gave."""

def pack_lengths(
    lengths: Any,
    capacity: int,
    strategy: str,
    window: int,
    seed: int | None,
    over_length: str,
) -> tuple[Flat, int]:
    """The bin of each length, int32, and the number of bins; see `turnmill.pack_lengths`."""

def group_samples(bins: Any, first: int, stop: int) -> tuple[Flat, Flat]:
    """Where the samples of each bin from `first` up to `stop` start, int64, and these samples, bin
    after bin, int32. `bins`, an Arrow array of int32, has the bin of each sample."""

def _panic(text: str) -> None:
    """Panics inside the core, so that a test sees what a user would see."""

def _parse_json(data: bytes) -> tuple[Any, int]:
    """What the core reads from a JSON text, and how many keys stood twice in one object."""

def _read_batch(batch: Any) -> list[Any]:
    """What the core reads from the rows of a record batch."""

def rules() -> list[tuple[str, str, str, str, str, str | None]]:
    """Every rule, in the order of reports: name, severity, meaning, cause, cure, and what to say
    if a run rejects many rows by it."""

def token_columns() -> list[tuple[str, str]]:
    """The columns of tokenized rows, each with what it says: ``ids``, ``labels``, ``mask``,
    ``attention``, ``positions`` or ``documents``."""

def stop_set(tokenizer: Tokenizer, named: Sequence[str | int] | None = None) -> list[int]:
    """The ids of named stop tokens, without those that are none; if none are named, those that a
    server loading this tokenizer's directory stops on."""

@final
class Audit:
    """An audit of tokenized rows, fed in order; see `turnmill.check`."""

    def __new__(
        cls, tokenizer: Tokenizer, options: AuditOptions, served: Served | None = None
    ) -> Audit: ...
    def start(self, source: str, name: str, file: str) -> None:
        """Starts the next input, whose rows are numbered within `source` and those of `file`."""

    def add(self, rows: Any) -> None:
        """Checks the rows of an Arrow producer."""

    def add_json(self, block: bytes, array: bool) -> None:
        """Checks the next block of an input of JSON: lines, or one array."""

    def add_rows(self, rows: list[Any]) -> None:
        """Checks rows given as dicts, as one batch."""

    def finish(self) -> str:
        """The findings as JSON; nothing can be added after."""

@final
class Batch:
    """One record batch on its way to Python."""

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]: ...
    def __len__(self) -> int: ...

@final
class Check:
    """A check of conversations: of shards that were opened for it."""

    def __new__(cls, encoder: Encoder, evidence: int, served: Served | None = None) -> Check: ...
    def add(self, shard: Shard) -> None:
        """Adds what a finished shard found."""

    def finish(self) -> str:
        """The findings as JSON; nothing can be added after."""

@final
class Encoder:
    """A recipe that is ready to encode; see `turnmill.Encoder`."""

    def __new__(
        cls, recipe: Recipe, tokenizer: str, now: str, difference: str | None = None
    ) -> Encoder:
        """`tokenizer` is where the recipe's tokenizer is, `now` the date that templates see if the
        recipe names none."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def tokenizer(self) -> Tokenizer: ...
    def facts(self) -> str: ...
    def for_input(self, keys: str) -> Encoder: ...
    def inspect(self, head: Head, path: str) -> tuple[str, str | None]: ...
    def self_check(self, head: Head) -> tuple[int, str | None]: ...
    def look(self, row: bytes, schema: str) -> dict[str, Any] | None: ...
    def open_shard(self, options: Any, check: Check | None = None) -> Shard:
        """`options` has the attributes of `turnmill.encoder.session.ShardOptions`."""

@final
class Flat:
    """The memory of an array. Nothing in Rust reads or writes it again: it is numpy's to change."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...

@final
class Gatherer:
    """Batches with the same columns, whose rows are copied in any order. If they are of samples
    that waited, `columns` are those of the output to make of them."""

    def __new__(cls, batches: list[Any], columns: list[str]) -> Gatherer: ...
    def rows(self, sources: Any, rows: Any) -> Batch:
        """Copies rows as they are: `sources` and `rows`, Arrow arrays of uint32, say from which
        batch each comes, and which row of it."""

    def samples(self, sources: Any, rows: Any) -> Batch:
        """Makes the columns of the output from such rows of samples that waited."""

@final
class Head:
    """The first rows of an input: a record batch, a list of dicts, or JSON that is fed."""

    def __new__(cls, rows: Any = None) -> Head: ...
    @property
    def is_blank(self) -> bool: ...
    def feed(self, block: bytes) -> bool: ...
    def detect(self, path: str) -> str: ...
    def keys(self) -> list[str]:
        """The keys of the first row; none if it has none or cannot be read."""

@final
class Output:
    """The output of one call."""

    @property
    def samples(self) -> list[Batch]: ...
    @property
    def apart(self) -> list[Batch]: ...
    @property
    def index(self) -> list[Batch]: ...
    @property
    def rejects(self) -> list[Batch]: ...
    @property
    def rows(self) -> int: ...
    @property
    def rejected(self) -> int: ...
    @property
    def tokens(self) -> int: ...
    @property
    def trained(self) -> int: ...
    @property
    def lost_turns(self) -> int: ...
    @property
    def lost_tokens(self) -> int: ...
    @property
    def lost_rejected_tokens(self) -> int: ...

@final
class Recipe:
    """A checked recipe; see `turnmill.Recipe`."""

    def __new__(cls, keys: str) -> Recipe:
        """`keys`: a JSON object."""

    def to_json(self) -> str:
        """Every key with its value, defaults included."""

    def fingerprint(self) -> str:
        """Changes with every key that decides a written byte."""

    def __reduce__(self) -> tuple[type[Recipe], tuple[str]]: ...

@final
class Served:
    """A model as it will be served."""

    @staticmethod
    def of(tokenizer: Tokenizer) -> Served:
        """A server that loads the directory of a tokenizer."""

    @staticmethod
    def without_tokenizer(directory: Path) -> Served | None:
        """A directory without a tokenizer; `None` if it has one, or does not say what the model
        stops on."""

    @property
    def stop(self) -> list[int]:
        """The ids that end a generation."""

@final
class Shard:
    """Rows of one input. The output does not depend on how they are fed."""

    def feed_bytes(self, data: Any) -> Output: ...
    def feed_batch(self, batch: Any) -> Output: ...
    def feed_rows(self, rows: list[Any]) -> Output: ...
    def finish(self) -> Output: ...
    def counts(self) -> dict[str, int]: ...
    def lengths(self) -> list[tuple[int, int]]:
        """How many samples have each length in tokens, shortest first."""

    def named(self) -> list[tuple[str, str, int]]: ...
    def rejected(self) -> dict[str, int]: ...
    def evidence(self) -> list[tuple[str, int, int | None, int | None]]: ...

@final
class Splitter:
    """The rows of a JSON input, cut as a run cuts them: row, line and text."""

    def __new__(cls, array: bool) -> Splitter: ...
    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]: ...
    def finish(self) -> list[tuple[int, int, bytes]]: ...

@final
class Template:
    """A chat template; see `turnmill.Template`."""

    def __new__(
        cls,
        given: str,
        name: str | None,
        special_tokens: list[tuple[str, str]],
        now: tuple[int, int, int, int, int, int, int],
    ) -> Template: ...
    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    def render(
        self,
        messages: Any,
        tools: Any,
        documents: Any,
        add_generation_prompt: bool,
        continue_final_message: str | None,
        variables: dict[str, Any],
    ) -> tuple[str, Flat, Flat]: ...
    def require_spans(self, with_tools: bool) -> None: ...
    def study(self, with_tools: bool) -> str: ...

@final
class Tokenizer:
    """A tokenizer directory; see `turnmill.Tokenizer`."""

    def __new__(cls, path: str) -> Tokenizer: ...
    @property
    def path(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def backend(self) -> str: ...
    @property
    def backend_reason(self) -> str: ...
    @property
    def vocab_size(self) -> int: ...
    def encode(self, text: str, add_special_tokens: bool) -> Flat: ...
    def encode_batch(
        self, texts: Iterable[str] | Any, add_special_tokens: bool, threads: int | None
    ) -> tuple[Flat, Flat]: ...
    def encode_batch_with_offsets(
        self, texts: Iterable[str] | Any, add_special_tokens: bool, threads: int | None
    ) -> tuple[Flat, Flat, Flat]:
        """Ids, the start and end of each in code points, and row offsets."""

    def token_to_id(self, token: str) -> int | None: ...
    def token_bytes(self, ids: list[int]) -> list[bytes]: ...
    def special_tokens(self) -> list[tuple[str, str]]: ...
