"""The files of a tokenizer, for machines that cannot see its path."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

_PATTERNS = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "generation_config.json",
    "chat_template.jinja",
    "additional_chat_templates/*.jinja",
    "processor_config.json",
    "chat_template.json",
)

Files = dict[str, bytes]
"""Names of the files that are read from a tokenizer directory."""


def read_files(path: Path) -> Files:
    """The files of a tokenizer directory, or of the one that holds this ``tokenizer.json``."""
    return {name: file.read_bytes() for name, file in _found(path).items()}


def stamps(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, time of the last change and size of these files."""
    stats = {name: file.stat() for name, file in _found(path).items() if file.is_file()}
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats.items())


def _found(path: Path) -> dict[str, Path]:
    directory = path if path.is_dir() else path.parent
    file = path / "tokenizer.json" if path.is_dir() else path
    found = (item for pattern in _PATTERNS for item in sorted(directory.glob(pattern)))
    others = {item.relative_to(directory).as_posix(): item for item in found}
    return {"tokenizer.json": file, **others}


@contextlib.contextmanager
def written(files: Files) -> Iterator[str]:
    """A directory with these files, removed at the end."""
    import tempfile  # slow to import, and only needed here

    with tempfile.TemporaryDirectory(prefix="turnmill-") as directory:
        for name, content in files.items():
            path = Path(directory, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        yield directory
