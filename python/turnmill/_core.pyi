# What the compiled core offers to the Python package; checked against it by mypy.stubtest.

from collections.abc import Iterable
from typing import Any, final

__all__ = ["Batch", "Batches", "Template", "Tokenizer", "_panic", "build_info", "check_recipe"]

def build_info() -> dict[str, Any]:
    """What this build is, for bug reports."""

def check_recipe(recipe: str) -> tuple[str, str]:
    """Checks a recipe given as JSON.

    Returns:
        Every key of it with its value, defaults included, as JSON, and the fingerprint of what
        decides the written bytes.
    """

def _panic(text: str) -> None:
    """Breaks inside the core, so that a test can see what a user would."""

@final
class Batch:
    """One record batch on its way to Python."""

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]: ...
    def __len__(self) -> int: ...

@final
class Batches:
    """Record batches of one schema, on their way to Python."""

    def __arrow_c_schema__(self) -> Any: ...
    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...
    def __len__(self) -> int: ...

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
    ) -> tuple[str, bytearray, bytearray]: ...
    def require_spans(self) -> None: ...

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
    def encode(self, text: str, add_special_tokens: bool) -> bytearray: ...
    def encode_batch(
        self, texts: Iterable[str] | Any, add_special_tokens: bool, threads: int | None
    ) -> tuple[bytearray, bytearray]: ...
    def token_to_id(self, token: str) -> int | None: ...
    def token_bytes(self, ids: list[int]) -> list[bytes]: ...
    def special_tokens(self) -> list[tuple[str, str]]: ...
