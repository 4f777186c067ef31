"""Broken input and broken machines: one clear error each, with its place and what to do.

No fault leaves a traceback, and none leaves something behind that looks finished.
"""

from __future__ import annotations

import ctypes
import gzip
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import turnmill
from file_hashes import hashes

pytestmark = pytest.mark.slow

PACKAGE = Path(turnmill.__file__).parent
TOKENIZER = PACKAGE / "demo" / "tokenizer"
ROW = {
    "messages": [
        {"role": "user", "content": "What is a turn?"},
        {"role": "assistant", "content": "One answer of the assistant."},
    ]
}


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def lines(count: int, row: Any = ROW) -> bytes:
    return (json.dumps(row) + "\n").encode() * count


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(PACKAGE.parent),
        "PYTHONWARNINGS": "ignore",
        "NO_COLOR": "1",
        "COLUMNS": "100",
    }


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "turnmill", *words]


def turnmill_says(*words: str, code: int, before: Callable[[], None] | None = None) -> str:
    """What the command says on standard error; it must exit with ``code`` and say nothing else."""
    done = subprocess.run(
        command(*words),
        check=False,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        preexec_fn=before,
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    return done.stderr


def prepare_says(*words: str, code: int = 1, before: Callable[[], None] | None = None) -> str:
    words = ("prepare", *words, "-o", "out", "--tokenizer", str(TOKENIZER))
    return turnmill_says(*words, code=code, before=before)


def nothing_looks_finished() -> bool:
    out = Path("out")
    return not (
        (out / "state.json").exists()
        or (out / "turnmill.json").exists()
        or list(out.glob(".tmp-*"))
        or list(out.glob("*/.tmp-*"))
    )


def test_a_wrong_tokenizer_directory() -> None:
    Path("a.jsonl").write_bytes(lines(3))
    Path("empty").mkdir()
    said = turnmill_says("prepare", "a.jsonl", "-o", "out", "--tokenizer", "empty", code=2)
    assert said == (
        "error: the directory holds no tokenizer.json (it is empty)\n"
        "  at empty\n"
        "hint: give the directory that the model's files were downloaded to, with --tokenizer\n"
    )
    assert not Path("out").exists()


def test_a_model_that_is_not_on_this_machine() -> None:
    Path("a.jsonl").write_bytes(lines(3))
    said = turnmill_says("prepare", "a.jsonl", "-o", "out", "--tokenizer", "some/model", code=2)
    assert said.startswith(
        "error: 'some/model' is neither a directory here nor a model in a cache of this machine\n"
        "hint: get it with: hf download some/model "
    )
    assert not Path("out").exists()


def test_a_tokenizer_without_a_template() -> None:
    Path("a.jsonl").write_bytes(lines(3))
    shutil.copytree(TOKENIZER, "bare")
    Path("bare/chat_template.jinja").unlink()
    said = turnmill_says("prepare", "a.jsonl", "-o", "out", "--tokenizer", "bare", code=2)
    assert "template" in said.splitlines()[0]
    assert "--template" in said
    assert not Path("out/state.json").exists()


def test_input_that_was_rendered_already() -> None:
    rendered = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n"
    Path("a.jsonl").write_bytes(lines(3, {"text": rendered}))
    said = prepare_says("a.jsonl")
    assert "already-rendered" in said
    assert nothing_looks_finished()


def test_a_broken_line_in_the_middle_is_one_reject() -> None:
    Path("a.jsonl").write_bytes(lines(5) + b'{"messages": [{"role": "us\n' + lines(5))
    done = subprocess.run(
        command("prepare", "a.jsonl", "-o", "out", "--tokenizer", str(TOKENIZER), "--json", "-q"),
        check=True,
        capture_output=True,
        text=True,
        env=environment(),
    )
    result = json.loads(done.stdout)
    assert (result["rows"], result["rows_written"]) == (11, 10)
    assert result["rejected"] == {"invalid-json": 1}
    shown = subprocess.run(
        command("show", "out", "--source", "a.jsonl:6"),
        check=True,
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert "a.jsonl:6 · rejected: invalid-json" in shown.stdout


def test_a_json_array_that_is_cut_off() -> None:
    Path("a.json").write_bytes(json.dumps([ROW] * 5).encode()[:-40])
    said = prepare_says("a.json")
    assert said.startswith("error: ")
    assert "a.json" in said
    assert nothing_looks_finished()


def test_a_truncated_gzip_file_keeps_finished_shards_and_goes_on_when_it_is_whole() -> None:
    Path("a.jsonl").write_bytes(lines(3))
    text = b"".join(
        (json.dumps({**ROW, "id": os.urandom(20).hex()}) + "\n").encode() for _ in range(90_000)
    )
    whole = gzip.compress(text)
    Path("b.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    said = prepare_says("a.jsonl", "b.jsonl.gz")
    first, place, hint = said.splitlines()
    assert first.startswith("error: the gzip stream ends too early, after ")
    assert place == "  at b.jsonl.gz"
    assert hint == (
        "hint: replace the file and run the same command again: finished shards are kept"
    )
    assert nothing_looks_finished()
    Path("b.jsonl.gz").write_bytes(whole)
    said = prepare_says("a.jsonl", "b.jsonl.gz", code=0)
    assert "90,003" in said
    assert "1 of them kept from before" in said


@pytest.mark.parametrize(("end", "row"), [(",]", 3), (",,{}]", 3), ("] []", 3)])
def test_an_array_that_is_broken_says_where(end: str, row: int) -> None:
    Path("a.json").write_text(json.dumps([ROW] * 3)[:-1] + end)
    first, place, hint = prepare_says("a.json").splitlines()
    assert first.startswith("error: ")
    assert place == f"  at a.json:1, row {row}"
    assert hint.startswith("hint: repair the file there; JSON Lines")
    assert nothing_looks_finished()


def test_a_sample_that_is_too_long_is_named_where_that_is_an_error() -> None:
    long = {"messages": [ROW["messages"][0], {"role": "assistant", "content": "word " * 200}]}
    Path("a.jsonl").write_bytes(lines(5) + lines(1, long) + lines(5))
    said = prepare_says("a.jsonl", "--max-length", "100", "--over-length", "error")
    assert "tokens, 100 are allowed, and `over_length = error`\n  at a.jsonl:6, row 5\n" in said
    assert "hint: raise --max-length" in said
    assert nothing_looks_finished()


def test_a_parquet_file_that_is_cut_off() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([ROW] * 1000), "a.parquet")
    Path("a.parquet").write_bytes(Path("a.parquet").read_bytes()[:-100])
    said = prepare_says("a.parquet")
    assert said.startswith("error: the Parquet file cannot be read: Parquet magic bytes not found")
    assert "  at a.parquet\n" in said
    assert nothing_looks_finished()


def test_a_parquet_file_whose_text_is_not_utf8() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    offsets, text = pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")
    pq.write_table(pa.table({"text": pa.StringArray.from_buffers(1, offsets, text)}), "a.parquet")
    said = prepare_says("a.parquet")
    assert said.startswith("error: the Arrow data cannot be read: ")
    assert "Invalid UTF8" in said
    assert "  at a.parquet\nhint: write the file again" in said


def test_a_file_of_an_unknown_kind() -> None:
    Path("a.txt").write_text("instruction,output\nHi,Hello\n")
    assert prepare_says("a.txt") == (
        "error: the file starts with 'i': turnmill does not read this format\n"
        "  at a.txt\n"
        "hint: turnmill reads JSON Lines, JSON arrays, CSV, TSV, gzip, zstd, bzip2 and xz of "
        "these, Parquet and Arrow IPC; if it is a table, name it .csv or .tsv\n"
    )
    assert not Path("out").exists()


def test_an_input_that_does_not_exist() -> None:
    Path("train.jsonl").write_bytes(lines(3))
    assert prepare_says("trian.jsonl") == (
        "error: no such file\n  at trian.jsonl\nhint: did you mean train.jsonl?\n"
    )
    assert prepare_says("*.parquet") == (
        f"error: no file matches\n  at *.parquet\nhint: the path was looked for from {Path.cwd()}\n"
    )


def _lose_the_directory() -> None:
    """Goes to a directory and removes it."""
    gone = Path.cwd() / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()


def test_a_working_directory_that_was_removed() -> None:
    Path("a.jsonl").write_bytes(lines(3))
    here, model = Path.cwd(), ("--tokenizer", str(TOKENIZER), "-q")
    for name, what in (("b.jsonl", "no such file"), ("*.parquet", "no file matches")):
        words = ("prepare", name, "-o", str(here / "out"), *model)
        assert turnmill_says(*words, code=1, before=_lose_the_directory) == (
            f"error: {what}\n  at {name}\n"
            "hint: the path was looked for from a working directory that was removed\n"
        )
    words = ("prepare", str(here / "a.jsonl"), "-o", str(here / "out"), *model)
    assert turnmill_says(*words, code=0, before=_lose_the_directory) == ""
    turnmill_says("check", str(here / "out"), "--files", "-q", code=0)


def _obey_permissions() -> None:
    """Takes from root the right to write and read everywhere, from the next exec on."""
    if os.getuid() == 0:
        drop_from_bounding_set, dac_override, dac_read_search = 24, 1, 2
        for right in (dac_override, dac_read_search):
            ctypes.CDLL(None).prctl(drop_from_bounding_set, right, 0, 0, 0)


def test_an_output_directory_that_cannot_be_written() -> None:
    Path("a.jsonl").write_bytes(lines(3))
    Path("closed").mkdir(mode=0o555)
    words = ("prepare", "a.jsonl", "-o", "closed/out", "--tokenizer", str(TOKENIZER))
    said = turnmill_says(*words, code=1, before=_obey_permissions)
    assert said == (
        "error: permission denied\n"
        "  at closed/out\n"
        "hint: give another directory with -o, or make closed writable\n"
    )


def test_an_input_that_cannot_be_read() -> None:
    Path("a.jsonl").write_bytes(lines(3))
    Path("a.jsonl").chmod(0)
    assert prepare_says("a.jsonl", before=_obey_permissions) == (
        "error: permission denied\n"
        "  at a.jsonl\n"
        "hint: make the file readable for the user who runs this\n"
    )


def test_a_directory_in_the_input_that_cannot_be_read() -> None:
    Path("data/closed").mkdir(parents=True)
    Path("data/a.jsonl").write_bytes(lines(3))
    Path("data/closed").chmod(0)
    assert prepare_says("data", before=_obey_permissions) == (
        "error: permission denied\n"
        "  at data/closed\n"
        "hint: make it readable for the user who runs this\n"
    )


def test_a_damaged_receipt_makes_its_shard_anew() -> None:
    Path("a.jsonl").write_bytes(lines(3))
    prepare_says("a.jsonl", code=0)
    (receipt,) = Path("out/.turnmill").glob("receipt-*.json")
    for damaged in ("{", "[]", "{}"):
        receipt.write_text(damaged)
        assert "kept from before" not in prepare_says("a.jsonl", code=0)


def damage(path: Path, text: str | None) -> None:
    path.unlink()
    if text is not None:
        path.write_text(text)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"recipe": {}, "facts": null}', None])
def test_a_plan_that_is_lost_is_made_again_or_told(text: str | None) -> None:
    """Without it, shards of another recipe would be taken for those of this one."""
    Path("a.jsonl").write_bytes(lines(3))
    prepare_says("a.jsonl", code=0)
    whole = hashes("out")
    damage(Path("out/.turnmill/plan.json"), text)
    assert "kept from before" in prepare_says("a.jsonl", code=0), "the manifest knows its hash"
    assert hashes("out") == whole
    damage(Path("out/.turnmill/plan.json"), text)
    Path("out/manifest.json").unlink()
    told = (
        "error: the file is missing or damaged that says what the output is made from\n"
        "  at out/.turnmill/plan.json\n"
        "hint: add --overwrite to start this output over, or give another directory with -o\n"
    )
    assert prepare_says("a.jsonl") == told
    assert prepare_says("a.jsonl", "--max-length", "99") == told
    assert "kept from before" not in prepare_says("a.jsonl", "--overwrite", code=0)
    assert hashes("out") == whole


def test_names_that_are_lost_are_known_from_the_manifests() -> None:
    Path("a.jsonl").write_bytes(lines(3))
    prepare_says("a.jsonl", code=0)
    turnmill.pack("out", 200)
    before = {**hashes("out"), ".turnmill/names.json": ""}
    names = Path("out/.turnmill/names.json")
    for damaged in ("{", None):
        damage(names, damaged)
        assert "kept from before" in prepare_says("a.jsonl", code=0)
        # A pack without rows of its own records names that it does not use.
        assert {**hashes("out"), ".turnmill/names.json": ""} == before
    names.write_text("{")
    Path("out/manifest.json").unlink()
    Path("out/pack-200-0/manifest.json").unlink()
    hint = prepare_says("a.jsonl").splitlines()[2]
    assert hint.startswith("hint: use another directory: nothing says any more which files")


def test_an_output_that_is_a_file() -> None:
    Path("a.jsonl").write_bytes(lines(3))
    Path("out").write_text("mine")
    assert prepare_says("a.jsonl") == (
        "error: the output is a file\n  at out\nhint: give a directory with -o\n"
    )
    assert Path("out").read_text() == "mine"


def test_an_output_that_cannot_be_a_directory() -> None:
    Path("a.jsonl").write_bytes(lines(3))
    Path("file").write_text("mine")
    Path("link").symlink_to("nowhere")
    for output, hint in (("file/out", "a part of the path is a file"), ("link", "not a directory")):
        words = ("prepare", "a.jsonl", "-o", output, "--tokenizer", str(TOKENIZER))
        said = turnmill_says(*words, code=1)
        assert f"  at {output}" in said
        assert hint in said.splitlines()[2]
        assert said.endswith("give another directory with -o\n")


def test_a_recipe_that_is_not_there() -> None:
    said = turnmill_says("prepare", "a.jsonl", "-o", "out", "--recipe", "no.toml", code=1)
    assert said.startswith("error: no such file or directory\n  at no.toml\nhint: give a file")


def _small_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_a_disk_that_is_full_leaves_nothing_half_written_and_the_run_goes_on_later() -> None:
    Path("a.jsonl").write_bytes(lines(3000))
    said = prepare_says("a.jsonl", before=_small_files)
    first, place, hint = said.splitlines()
    assert first == "error: file too large"
    assert place.startswith("  at out/data-")
    assert hint.startswith("hint: make room and run the same command again")
    assert nothing_looks_finished()
    assert not list(Path("out").glob("data-*"))
    assert turnmill_says("show", "out", code=1) == (
        "error: the output is not finished\n"
        "  at out\n"
        "hint: run the same `turnmill prepare` again: it continues where it stopped\n"
    )
    assert "3,000" in prepare_says("a.jsonl", code=0)


def test_no_space_left_on_the_device() -> None:
    """The real thing, where a small file system can be mounted."""
    Path("a.jsonl").write_bytes(lines(3000))
    Path("small").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", "small"]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("no permission to mount a small file system")
    try:
        words = ("prepare", "a.jsonl", "-o", "small/out", "--tokenizer", str(TOKENIZER))
        said = turnmill_says(*words, code=1)
        assert said.startswith("error: no space left on device\n  at small/out/data-")
        assert not Path("small/out/state.json").exists()
        assert not list(Path("small/out").glob(".tmp-*"))
    finally:
        subprocess.run(["umount", "small"], check=True)


@pytest.mark.parametrize(("count", "zeros"), [(3, 1), (3, 1000), (70_000, 512)])
def test_a_gzip_file_filled_with_zeros_is_read_to_its_end(count: int, zeros: int) -> None:
    """As writers of blocks leave it; `gzip` passes the zeros over too."""
    padded = gzip.compress(lines(count), 1) + b"\0" * zeros
    assert gzip.decompress(padded) == lines(count)
    Path("a.jsonl.gz").write_bytes(padded)
    assert f"{count:,}" in prepare_says("a.jsonl.gz", code=0).splitlines()[0]


@pytest.mark.parametrize(("end", "what"), [(b"\0", "ends too early"), (b"\0x\0", "is damaged")])
def test_zeros_hide_no_damage_of_a_gzip_file(end: bytes, what: str) -> None:
    whole = gzip.compress(lines(3))
    Path("a.jsonl.gz").write_bytes((whole[:-20] if what == "ends too early" else whole) + end)
    assert prepare_says("a.jsonl.gz").startswith(f"error: the gzip stream {what}, after ")
    assert nothing_looks_finished()


INTERRUPT_DURING = """
import os, signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
sys.argv = [{program!r}, "prepare", "a.jsonl", "-o", "out", "--tokenizer", {tokenizer!r}]
from turnmill.cli import main
sys.exit(main())
"""


def interrupted(module: str, program: str) -> subprocess.CompletedProcess[str]:
    """The command, with Ctrl-C pressed while a module is imported."""
    script = INTERRUPT_DURING.format(module=module, program=program, tokenizer=str(TOKENIZER))
    command = [sys.executable, "-c", script]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, env=environment()
    )


@pytest.mark.parametrize("module", ["turnmill.encoder", "turnmill.cli.arguments", "pyarrow.lib"])
def test_ctrl_c_while_modules_are_imported_leaves_no_traceback(module: str) -> None:
    Path("a.jsonl").write_bytes(lines(3))
    done = interrupted(module, "/usr/bin/turnmill")
    assert done.returncode == 130
    assert done.stderr.splitlines()[0] == "interrupted"
    assert "Traceback" not in done.stderr


def test_programs_that_import_turnmill_keep_their_own_ctrl_c() -> None:
    assert "KeyboardInterrupt" in interrupted("turnmill.encoder", "train.py").stderr


def test_an_unknown_recipe_key() -> None:
    Path("a.jsonl").write_bytes(lines(3))
    Path("recipe.toml").write_text("max_lenght = 100\n")
    assert prepare_says("a.jsonl", "--recipe", "recipe.toml", code=2) == (
        "error: the recipe has no key `max_lenght`\n"
        "  at recipe.toml\n"
        "hint: did you mean `max_length`?\n"
    )


def test_a_recipe_that_is_not_utf8_and_a_number_that_is_too_large() -> None:
    Path("a.jsonl").write_bytes(lines(3))
    Path("recipe.toml").write_bytes(b'template = "caf\xe9"')
    said = prepare_says("a.jsonl", "--recipe", "recipe.toml", code=2)
    assert said.startswith("error: the recipe is not TOML: ")
    assert prepare_says("a.jsonl", "--threads", "9" * 20, code=2) == (
        f"error: `--threads` cannot be `{'9' * 20}`\n"
        "hint: --threads takes a whole number up to 2,147,483,647\n"
    )


@pytest.mark.parametrize("text", [b"", b"\n \n\n"])
def test_no_rows(text: bytes) -> None:
    Path("a.jsonl").write_bytes(text)
    assert prepare_says("a.jsonl") == (
        "error: the input holds no rows\n"
        "  at a.jsonl\n"
        "hint: give the file that holds the conversations\n"
    )
    assert nothing_looks_finished()


def test_an_array_without_rows_is_no_fault_beside_others() -> None:
    Path("a.json").write_text("[]")
    assert prepare_says("a.json").startswith("error: the input holds no rows\n  at a.json\n")
    Path("b.jsonl").write_bytes(lines(3))
    said = prepare_says("a.json", "b.jsonl", code=0)
    assert "read as  no rows: a.json\n         messages: b.jsonl\n" in said


def test_text_in_an_encoding_that_is_not_unicode() -> None:
    row = '{"messages":[{"role":"user","content":"café"},{"role":"assistant","content":"y"}]}\n'
    Path("a.jsonl").write_bytes(row.encode("latin-1"))
    said = prepare_says("a.jsonl")
    assert said.startswith(
        "error: the first row is not JSON: Invalid UTF-8 at column 43\n  at a.jsonl:1\n"
    )
    assert "as UTF-8" in said


def test_rows_inside_one_object() -> None:
    Path("a.json").write_text(json.dumps({"data": [ROW] * 3}, indent=1))
    assert prepare_says("a.json", code=0).startswith("ok: all 3 rows are written")


def test_a_template_that_does_not_compile() -> None:
    Path("a.jsonl").write_bytes(lines(3))
    shutil.copytree(TOKENIZER, "broken")
    Path("broken/chat_template.jinja").write_text("{% for m in messages %}\n{{ m }")
    said = turnmill_says("prepare", "a.jsonl", "-o", "out", "--tokenizer", "broken", code=2)
    assert said.startswith("error: the chat template does not compile: ")
    assert "  at broken:2\n" in said


def test_a_tokenizer_that_is_damaged() -> None:
    Path("a.jsonl").write_bytes(lines(3))
    shutil.copytree(TOKENIZER, "broken")
    whole = Path("broken/tokenizer.json").read_bytes()
    Path("broken/tokenizer.json").write_bytes(whole[: len(whole) // 2])
    said = turnmill_says("prepare", "a.jsonl", "-o", "out", "--tokenizer", "broken", code=2)
    assert said.startswith("error: tokenizer.json cannot be read as a tokenizer: ")
    assert "  at broken/tokenizer.json\nhint: the file is damaged" in said


def test_all_rows_rejected() -> None:
    Path("a.jsonl").write_bytes(lines(5, {"messages": [{"role": "user", "content": "Alone"}]}))
    said = prepare_says("a.jsonl")
    assert said.splitlines()[0] == "error: all 5 rows were rejected, so nothing was written"
    assert "no-assistant-turn (5)" in said
    assert said.endswith("hint: every rejected row with its reason: out/rejects.parquet\n")
    import pyarrow.parquet as pq

    assert pq.read_table("out/rejects.parquet")["line"].to_pylist() == [1, 2, 3, 4, 5]
    assert nothing_looks_finished()


def test_too_many_rejects_stop_a_run_early() -> None:
    bad = lines(12_000, {"messages": [{"role": "user", "content": "Alone"}]})
    Path("a.jsonl").write_bytes(lines(5) + bad)
    Path("b.jsonl").write_bytes(lines(5))
    said = prepare_says("a.jsonl", "b.jsonl", "--max-rejects", "5%", "--format", "parquet")
    assert "rows were rejected" in said.splitlines()[0]
    assert "more than max_rejects allows (5 %)" in said.splitlines()[0]
    assert "no-assistant-turn" in said
    assert said.endswith("hint: every rejected row with its reason: out/rejects.parquet\n")
    import pyarrow.parquet as pq

    rejects = pq.read_table("out/rejects.parquet")
    assert set(rejects["code"].to_pylist()) == {"no-assistant-turn"}, "none that the stop cut"
    assert rejects["line"].to_pylist()[:3] == [6, 7, 8]
    assert f"{len(rejects):,} of {len(rejects) + 5:,} rows were rejected" in said
    assert not list(Path("out").glob("data-*"))
    assert nothing_looks_finished()


def test_an_early_stop_lists_the_rejects_of_finished_shards_too() -> None:
    alone = {"messages": [{"role": "user", "content": "Alone"}]}
    Path("a.jsonl").write_bytes(lines(5) + lines(4000, alone))
    Path("b.jsonl").write_bytes(lines(9000, alone))
    prepare_says("a.jsonl", "b.jsonl")
    import pyarrow.parquet as pq

    rejects = pq.read_table("out/rejects.parquet")
    assert set(rejects["source"].to_pylist()) == {"a.jsonl", "b.jsonl"}
    assert len(rejects) == 13_000
    assert "13,000" in prepare_says("a.jsonl", "b.jsonl", "--max-rejects", "100%", code=0)


def processor_time(pid: int) -> float:
    """Seconds of processor time that a process has used; the wall's clock counts others' too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("number", "code", "told"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "stopped by SIGTERM"),
        (signal.SIGHUP, 129, "stopped by SIGHUP"),
    ],
)
def test_a_signal_ends_a_run_within_a_second_and_the_run_goes_on_later(
    number: signal.Signals, code: int, told: str
) -> None:
    with Path("a.jsonl").open("wb") as file:
        for _ in range(60):
            file.write(lines(5000))
    words = ("prepare", "a.jsonl", "-o", "out", "--tokenizer", str(TOKENIZER), "--threads", "2")
    process = subprocess.Popen(
        command(*words),
        stderr=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
        # These tests may run under nohup, and a run under nohup goes on.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509 - sets no lock
    )
    while not any(Path("out").glob(".tmp-data-*")):
        assert process.poll() is None
        time.sleep(0.02)
    used = processor_time(process.pid)
    os.kill(process.pid, number)
    assert process.stderr is not None
    with process.stderr:
        said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    # A second of two threads, and some for the interpreter to leave.
    assert usage.ru_utime + usage.ru_stime - used < 2.5
    assert process.returncode == code
    assert said.decode().splitlines() == [
        told,
        "hint: run the same command again to go on: finished shards are kept",
    ]
    assert nothing_looks_finished()
