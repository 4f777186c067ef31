"""The output directory of a run: made, locked, and kept for one recipe."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from turnmill.errors import DataError
from turnmill.output.files import TRAIN, VALIDATION
from turnmill.packing.packs import remove_packs
from turnmill.prepare.commit import read_receipt
from turnmill.prepare.record import plan_path, refuse_other_recipe, same_recipe
from turnmill.storage import STAGING
from turnmill.storage.local import lock, remove_temporary_files, write_json
from turnmill.storage.remote import AnyPath

_DIRECTORIES = (STAGING, "serving", TRAIN, VALIDATION)


@contextlib.contextmanager
def locked_output(
    output: AnyPath, identity: dict[str, Any], *, resume: bool, overwrite: bool
) -> Iterator[None]:
    """Makes the output directory, locks it, and makes sure that it holds this recipe's shards.

    Args:
        output: The output directory.
        identity: What the run is made from.
        resume: Whether to continue an output that was started before.
        overwrite: Whether to replace one that was made from something else. Its packs go, too.

    Raises:
        RecipeError: It was made from something else.
        DataError: It was started before, or holds files that turnmill did not write.
        TurnmillError: Another process is writing to it.
    """
    _make_directory(output)
    with lock(output / STAGING / "lock"):
        for directory in (output, *(output / name for name in _DIRECTORIES)):
            remove_temporary_files(directory)
        if overwrite:
            remove_packs(output)
        if (overwrite or _holds_nothing(output)) and not same_recipe(output, identity):
            _clear(output)
        refuse_other_recipe(output, identity)
        if plan_path(output).exists() and not resume:
            raise DataError(
                "the output was started before",
                code="output-exists",
                path=str(output),
                hint="give another directory, or leave --no-resume out (resume=True) to continue",
            )
        write_json(plan_path(output), identity)
        yield


def _holds_nothing(output: AnyPath) -> bool:
    """Whether no sample was ever written. A run that failed at once is not worth keeping."""
    receipts = (read_receipt(path) for path in (output / STAGING).glob("receipt-*.json"))
    return not any(receipt.tally.samples for receipt in receipts if receipt)


def _make_directory(output: AnyPath) -> None:
    if output.exists() and not output.is_dir():
        error = NotADirectoryError(20, "the output is a file", str(output))
        error.add_note("hint: give a directory with -o")
        raise error
    if output.is_dir() and not (output / STAGING).exists() and any(output.iterdir()):
        raise DataError(
            "the output directory is not empty and was not made by turnmill",
            code="output-exists",
            path=str(output),
            hint="give a new directory with -o",
        )
    try:
        (output / STAGING).mkdir(parents=True, exist_ok=True)
    except NotADirectoryError as error:
        error.add_note("hint: a part of the path is a file; give another directory with -o")
        raise
    except FileExistsError as error:
        error.add_note("hint: it is not a directory; remove it, or give another directory with -o")
        raise


def _clear(output: AnyPath) -> None:
    """Removes only what turnmill wrote, starting with the files that mark it as finished."""
    sets = [output, output / TRAIN, output / VALIDATION]
    for name in ("dataset_dict.json", "state.json", "turnmill.json", "dataset_info.json"):
        for place in sets:
            (place / name).unlink(missing_ok=True)
    for name in ("run.json", "rejects.parquet"):
        (output / name).unlink(missing_ok=True)
    written = [
        *(path for place in sets for path in (*place.glob("data-*"), *place.glob("index-*"))),
        *(output / "serving").glob("*"),
        *(output / STAGING).glob("*.*"),
    ]
    for path in written:
        path.unlink()
    for place in (output / TRAIN, output / VALIDATION):
        if isinstance(place, Path) and place.is_dir() and not any(place.iterdir()):
            place.rmdir()
