"""Run the Python examples of a Markdown file, in order, in one empty directory.

Usage: ``python scripts/readme_examples.py README.md``. A block counts as an example if its fence
says ``python``. The names that the examples use for the reader's own files stand for the demo data
of the installed package. The first exception ends the run with its traceback.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

import turnmill

DEMO = Path(turnmill.__file__).parent / "demo"
READERS_FILES = {
    "models/Qwen3-8B": DEMO / "tokenizer",
    "chats.jsonl": DEMO / "data" / "messages.jsonl",
}


def examples(markdown: str) -> list[str]:
    """The ``python`` blocks of ``markdown``."""
    return re.findall(r"^```python\n(.*?)^```", markdown, flags=re.MULTILINE | re.DOTALL)


def run(path: Path) -> int:
    """Runs every example of ``path`` in one namespace and returns how many there were."""
    blocks = examples(path.read_text("utf-8"))
    namespace: dict[str, object] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        for name, original in READERS_FILES.items():
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).symlink_to(original)
        for number, block in enumerate(blocks, start=1):
            exec(compile(block, f"{path.name}, example {number}", "exec"), namespace)
        os.chdir(path.parent)
    return len(blocks)


if __name__ == "__main__":
    count = run(Path(sys.argv[1]).resolve())
    print(f"{count} examples ran")
    sys.exit(count == 0)
