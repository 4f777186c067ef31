"""Exceptions: classes, attributes, notes, pickling, and how the core's errors become them."""

from __future__ import annotations

import pickle

import pytest

import turnmill
from turnmill import errors


@pytest.mark.parametrize(
    ("class_", "base"),
    [
        (errors.DataError, ValueError),
        (errors.RecipeError, ValueError),
        (errors.TemplateError, errors.TurnmillError),
        (errors.TokenizerError, errors.TurnmillError),
        (errors.InternalError, errors.TurnmillError),
    ],
)
def test_classes(class_: type[Exception], base: type[Exception]) -> None:
    assert issubclass(class_, errors.TurnmillError)
    assert issubclass(class_, base)


def test_an_error_pickles_with_everything() -> None:
    error = errors.DataError(
        "bad", code="c", path="p", line=1, row=2, message_index=3, hint="do it"
    )
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is errors.DataError
    assert vars(copy) == vars(error)
    assert (copy.args, copy.place) == (("bad",), "p:1, row 2, message 3")


def test_place_and_hint_are_notes_of_the_traceback() -> None:
    error = errors.DataError("bad", path="p", hint="do it")
    assert str(error) == "bad"
    assert error.__notes__ == ["at p", "hint: do it"]


@pytest.mark.parametrize(
    ("code", "class_"),
    [
        ("file-not-found", FileNotFoundError),
        ("permission-denied", PermissionError),
        ("file-exists", FileExistsError),
        ("is-a-directory", IsADirectoryError),
        ("io", OSError),
    ],
)
def test_files_raise_builtin_errors(code: str, class_: type[OSError]) -> None:
    error = errors._build("io", "no", code=code, path="a.txt", line=None, hint="look")
    assert type(error) is class_
    assert isinstance(error, OSError)
    assert (error.filename, error.__notes__) == ("a.txt", ["hint: look"])


def test_every_kind_of_the_core_has_a_class() -> None:
    for kind, class_ in errors._CLASSES.items():
        error = errors._build(kind, "no", code="x", path=None, line=None, row=4, hint=None)
        assert type(error) is class_


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_panic_is_an_internal_error_that_asks_for_a_report() -> None:
    with pytest.raises(turnmill.InternalError, match="turnmill broke: oh dear") as raised:
        turnmill._core._panic("oh dear")
    assert raised.value.code == "panic"
    assert "please report it" in str(raised.value.hint)
