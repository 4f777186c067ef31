"""Inputs on other machines: how they are found there, and what is said if they are not."""

from __future__ import annotations

import os
import platform
from dataclasses import replace

from turnmill.errors import DataError
from turnmill.inputs.files import FileInput
from turnmill.inputs.find import Input

SHARED = "put it where every worker sees it under the same path, or give a URI such as s3://…"


def sent(input_: Input) -> FileInput:
    """An input as it is found from every directory.

    Raises:
        DataError: Its rows are in the memory of this process.
    """
    if not isinstance(input_, FileInput):
        raise DataError(
            "rows in memory cannot be sent to an engine",
            code="rows-in-memory",
            path=input_.name,
            hint="write them to a file that all workers see, such as Parquet",
        )
    if "://" in input_.place:
        return input_
    return replace(input_, spool=os.path.abspath(input_.place))  # noqa: PTH100 - links stay


def explained(error: Exception, input_: FileInput) -> Exception:
    """An error of a worker, in the words of a cluster where it lacks what the driver has."""
    places = {input_.place, input_.name}
    if not (isinstance(error, FileNotFoundError) and error.filename in places):
        return error
    message = f"a worker on {platform.node()} does not see an input of the run"
    return DataError(message, code="unseen-path", path=input_.name, hint=SHARED)
