"""The output directory of a run: made, locked, and kept for one recipe."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from turnmill.errors import DataError
from turnmill.output.ownership import (
    forget_names,
    record_names,
    refuse_strangers,
    remove_left_over,
    restore_names,
)
from turnmill.packing.packs import remove_packs
from turnmill.prepare.commit import read_receipt, unmark
from turnmill.prepare.record import plan_path, refuse_other_recipe, same_recipe
from turnmill.storage import MANIFEST, STAGING
from turnmill.storage.listing import refuse_link
from turnmill.storage.local import lock, write_json
from turnmill.storage.remote import AnyPath


@contextlib.contextmanager
def locked_output(
    output: AnyPath, identity: dict[str, Any], names: set[str], *, resume: bool, overwrite: bool
) -> Iterator[None]:
    """Makes the output directory, locks it, and makes sure that it holds this recipe's shards.

    Args:
        output: The output directory.
        identity: What the run is made from.
        names: The files that the run may write, relative to the output.
        resume: Whether to continue an output that was started before.
        overwrite: Whether to replace one that was made from something else. Its packs go, too.

    Raises:
        RecipeError: It was made from something else.
        DataError: It was started before, or a file that turnmill did not write or a link stands
            where one of the run belongs.
        TurnmillError: Another process is writing to it.
    """
    make_directory(output)
    with lock(output / STAGING / "lock"):
        restore_names(output)
        refuse_strangers(output, names)
        remove_left_over(output)
        if overwrite:
            remove_packs(output)
        if (overwrite or _holds_nothing(output)) and not same_recipe(output, identity):
            unmark(output)
            forget_names(output, ())
        refuse_other_recipe(output, identity)
        if plan_path(output).exists() and not resume:
            raise DataError(
                "the output was started before",
                code="output-exists",
                path=str(output),
                hint="give another directory, or leave --no-resume out (resume=True) to continue",
            )
        # From here on the output is not what its manifest says.
        (output / MANIFEST).unlink(missing_ok=True)
        record_names(output, names)
        write_json(plan_path(output), identity)
        yield


def _holds_nothing(output: AnyPath) -> bool:
    """Whether no sample was ever written. A run that failed at once is not worth keeping."""
    receipts = (read_receipt(path) for path in (output / STAGING).glob("receipt-*.json"))
    return not any(receipt.tally.samples for receipt in receipts if receipt)


def make_directory(output: AnyPath) -> None:
    """Makes the directory of an output, and the one inside that marks it as turnmill's.

    Raises:
        DataError: The directory holds something that turnmill did not write.
        OSError: It cannot be made.
    """
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
    refuse_link(output / STAGING)
    try:
        (output / STAGING).mkdir(parents=True, exist_ok=True)
    except NotADirectoryError as error:
        error.add_note("hint: a part of the path is a file; give another directory with -o")
        raise
    except FileExistsError as error:
        error.add_note("hint: it is not a directory; remove it, or give another directory with -o")
        raise
