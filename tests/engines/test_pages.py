"""The examples of docs/engines run as they stand, and give what `Encoder.encode` gives."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fixtures import ROOT
from small_rows import TOKENIZER, json_lines, rows

PAGES = ROOT / "docs" / "engines"
START_RAY = (
    "import ray\n"
    "ray.init(num_cpus=4, include_dashboard=False, object_store_memory=100_000_000, "
    "log_to_driver=False, logging_level='ERROR')\n"
    "tokenizer = os.path.abspath('tokenizer')\n"
)
SAME_OUTPUT = (
    "turnmill.prepare('chats.jsonl', 'whole', tokenizer='tokenizer')\n"
    "from file_hashes import hashes\n"
    "assert hashes('out') == hashes('whole')\n"
)
RUNS = {
    "datasets": ("datasets", "", "same(encoded.with_format(None)['input_ids'])\n"),
    "polars": ("polars", "", "same(kept['input_ids'].to_list())\n"),
    "duckdb": (
        "duckdb",
        "import pyarrow\n",
        "same(encoded['input_ids'].to_pylist()); assert samples == 99\n",
    ),
    "dask": ("distributed", "", SAME_OUTPUT),
    "datatrove": ("datatrove", "", SAME_OUTPUT),
    "ray": ("ray", START_RAY, "same([row['input_ids'] for row in encoded.take_all()])\n"),
    "spark": (
        "pyspark",
        "os.environ['PYSPARK_PYTHON'] = sys.executable\n",
        "same([row.input_ids for row in encoded.collect()])\n",
    ),
}
"""For each page the library, what comes before its examples, and what must hold after them."""
PRELUDE = """
import os, sys, warnings
warnings.simplefilter("ignore")
import pyarrow.parquet, turnmill

def same(found):
    table = pyarrow.parquet.read_table("chats.parquet")
    expected = turnmill.Encoder(tokenizer="tokenizer")(table)["input_ids"].to_pylist()
    found = [ids and list(ids) for ids in found]
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert expected.count(None) == 1

"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", RUNS)
def test_examples_run(tmp_path: Path, page: str) -> None:
    library, before, after = RUNS[page]
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed; it is in the extra `engines`")
    if page == "spark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java: apt-get install openjdk-17-jre-headless")
    shutil.copytree(TOKENIZER, tmp_path / "tokenizer")
    (tmp_path / "chats.jsonl").write_bytes(json_lines(100))
    found = rows(100)
    found[7]["messages"][1]["content"] = None
    pq.write_table(pa.Table.from_pylist(found), tmp_path / "chats.parquet")
    text = (PAGES / f"{page}.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    examples = [block for block in blocks if "/shared/" not in block]
    assert examples
    body = "\n".join([before, *examples, after])
    # Workers of Dask and datatrove are started with this file, and must not run it again.
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    script = tmp_path / "page.py"
    script.write_text(f"{PRELUDE}\nif __name__ == '__main__':\n{indented}\n", "utf-8")
    places = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "python")])
    env = {**os.environ, "PYTHONPATH": places, "RAY_AUTH_MODE": "disabled"}
    env |= {"HF_HOME": str(tmp_path / "hf"), "SPARK_LOCAL_IP": "127.0.0.1"}
    run = subprocess.run(
        [sys.executable, "page.py"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]


def test_every_page_is_run() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {*RUNS, "README"}
