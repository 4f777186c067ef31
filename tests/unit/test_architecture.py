"""The rooms import in one direction, as docs/architecture.md draws them: nothing upward, no circle.

The document holds a list of rooms for each language, in a block of its own: ``rooms`` for
`rust/core/src`, ``python-rooms`` for `python/turnmill`. A room is a folder or file at the top. It
imports rooms that stand before it in the list. Rooms of one line stand on one floor: they may
import each other, but not in a circle. Nor may the files inside a room.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from fixtures import ROOT

DOCUMENT = (ROOT / "docs" / "architecture.md").read_text("utf-8")
CORE = ROOT / "rust" / "core" / "src"
PACKAGE = ROOT / "python" / "turnmill"

Arrows = dict[str, dict[str, str]]
"""For each room the rooms that it imports, each with a place that does."""

Module = tuple[str, ...]
"""The path of a module in its crate."""


def room_of(path: Path, top: Path) -> str:
    """The room that a file belongs to."""
    return path.relative_to(top).parts[0].partition(".")[0]


def rust_code(source: str) -> str:
    """The code that ships: without comments, texts and what only tests compile."""
    without = re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"', "", source, flags=re.DOTALL)
    return re.split(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))?\s+)?mod \w+ \{", without)[0]


def rust_test_modules(source: str) -> set[str]:
    """Modules in files of their own that only tests compile."""
    return set(re.findall(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub )?mod (\w+);", source))


def first_names(tree: str) -> Iterator[str]:
    """The first names of a use tree: ``{a::{b, c}, d}`` gives ``a`` and ``d``."""
    depth = 0
    for token in re.findall(r"[{},;]|\w+(?:::\w+)*", tree):
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth < 2 and token not in "{},;":
            yield token.partition("::")[0]
        if depth <= 0:
            return


def rust_imports(path: Path) -> Iterator[str]:
    """The names at the root of the crate that a file mentions."""
    code = rust_code(path.read_text("utf-8"))
    inside = path.relative_to(CORE).with_suffix("").parts
    depth = len(inside) - (inside[-1] in ("mod", "lib"))
    above = rf"|(?<![\w:])super(?:::super){{{depth - 1}}}" if depth else ""
    for found in re.finditer(rf"(?:\bcrate{above})::(?=[\w{{])(?!super\b)", code):
        yield from first_names(code[found.end() :])


def rust_arrows() -> Arrows:
    """Who imports whom in the core."""
    lib = (CORE / "lib.rs").read_text("utf-8")
    exported = {
        name.strip(): room
        for room, names in re.findall(r"pub use (\w+)::\{([^}]*)\}", lib)
        for name in names.split(",")
    }
    arrows: Arrows = {}
    for path in sorted(CORE.rglob("*.rs")):
        if path.name == "lib.rs" or is_rust_test(path):
            continue
        room = room_of(path, CORE)
        into = arrows.setdefault(room, {})
        for name in rust_imports(path):
            target = exported.get(name, name)
            if target != room:
                into.setdefault(target, str(path.relative_to(ROOT)))
    return arrows


def is_rust_test(path: Path) -> bool:
    """Only tests compile a file, or a folder that it lies in."""
    for part in (path, *path.parents):
        if part == CORE:
            return False
        name = part.stem
        parent = part.parent
        above = [parent / "mod.rs", parent / "lib.rs", parent.with_suffix(".rs")]
        if any(file.exists() and name in rust_test_modules(file.read_text()) for file in above):
            return True
    return False


def rust_files() -> dict[Module, Path]:
    """The files of the core by the path of their module; `mod.rs` is the module of its folder."""
    files = {}
    for path in sorted(CORE.rglob("*.rs")):
        parts = path.relative_to(CORE).with_suffix("").parts
        if not is_rust_test(path):
            files[parts[:-1] if parts[-1] in ("mod", "lib") else parts] = path
    return files


def use_paths(tree: str) -> Iterator[Module]:
    """The paths of a use tree: ``a::{b, c::d as e}`` gives ``a::b`` and ``a::c::d``."""
    outer: list[Module] = [()]
    path: Module = ()
    for token in re.findall(r"as \w+|\w+|[{},]", tree):
        if token == "{":
            outer.append(path)
        elif token in (",", "}"):
            if path != outer[-1]:
                yield path
            if token == "}":
                outer.pop()
            path = outer[-1]
        elif token == "self":
            yield path
        elif not token.startswith("as "):
            path = (*path, token)
    if path:
        yield path


def rust_modules() -> dict[Module, set[Module]]:
    """Every file of the core, with the files that hold what it names.

    What a parent re-exports counts as the file that it comes from.
    """
    files = rust_files()
    code = {
        module: re.sub(r"pub\(in [\w:]+\)", "pub", rust_code(path.read_text("utf-8")))
        for module, path in files.items()
    }
    exported: dict[Module, dict[str, Module]] = {}
    named: dict[Module, set[Module]] = {}

    def absolute(module: Module, path: Module) -> Module | None:
        if path[0] == "crate":
            return path[1:]
        if path[0] == "super":
            above, rest = module[:-1], path[1:]
            return absolute(above, rest) if rest[:1] == ("super",) else (*above, *rest)
        return (*module, *path) if (*module, path[0]) in files else None

    def origin(path: Module) -> Module:
        module = next(path[:n] for n in range(len(path), -1, -1) if path[:n] in files)
        rest = path[len(module) :]
        found = exported[module].get(rest[0]) if rest else None
        return module if found is None else origin((*found, *rest[1:]))

    for module, text in code.items():
        exports = re.findall(r"\bpub(?:\(\w+\))? use ([^;]*);", text)
        paths = [absolute(module, path) for tree in exports for path in use_paths(tree)]
        exported[module] = {path[-1]: path for path in paths if path}
    for module, text in code.items():
        own = re.sub(r"\bpub(?:\(\w+\))? use [^;]*;", "", text)
        trees = re.findall(r"\buse ([^;]*);|(?<![\w:])(\w+(?:::\w+)+)", own)
        paths = [absolute(module, path) for pair in trees for path in use_paths("".join(pair))]
        named[module] = {origin(path) for path in paths if path is not None} - {module}
    return named


def python_imports(path: Path) -> Iterator[str]:
    """The modules of the package that a file imports anywhere, for types and in functions too."""
    package = ("turnmill", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            start = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{start}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "turnmill")


def python_modules() -> dict[str, set[str]]:
    """Every module of the package, with the modules that it imports."""
    files: dict[str, Path] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        files[".".join(["turnmill", *parts]).removesuffix(".__init__")] = path
    arrows = {}
    for module, path in files.items():
        # A name that is no module is one of the module before it. The package itself only lists
        # what others make.
        named = ({name, name.rpartition(".")[0]} & files.keys() for name in python_imports(path))
        arrows[module] = {max(found, key=len) for found in named if found} - {module, "turnmill"}
    return arrows


def python_arrows() -> Arrows:
    """Who imports whom in the package; a name that is no module comes from ``__init__``."""
    rooms = python_rooms()
    arrows: Arrows = {room: {} for room in rooms if room != "_core"}
    for path in sorted(PACKAGE.rglob("*.py")):
        room = room_of(path, PACKAGE)
        for name in python_imports(path):
            first = name.split(".")[1] if "." in name else "__init__"
            target = first if first in rooms else "__init__"
            if target != room:
                arrows[room].setdefault(target, str(path.relative_to(ROOT)))
    return arrows


def python_rooms() -> set[str]:
    """The modules and folders of code in the package."""
    files = {path.stem for path in PACKAGE.glob("*.py")}
    folders = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    return files | folders | {"_core"}


LISTS: dict[str, Callable[[], Arrows]] = {"rooms": rust_arrows, "python-rooms": python_arrows}


def floors(name: str) -> list[list[str]]:
    """The rooms of a list in the document, line by line."""
    block = re.search(rf"^```{name}\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)
    return [line.split() for line in block[1].splitlines()] if block else []


drawn = pytest.mark.parametrize("name", [name for name in LISTS if floors(name)])


def test_the_core_is_drawn() -> None:
    assert floors("rooms")


@pytest.mark.parametrize(
    ("tree", "names"),
    [
        ("row::Desk;", ["row"]),
        ("{row::{Desk, label}, sink};\nuse crate::run;", ["row", "sink"]),
        ("{self, row::{a::{b, c}, d}};", ["self", "row"]),
        ("rules::Rule { code }", ["rules"]),
    ],
)
def test_imports_are_read(tree: str, names: list[str]) -> None:
    assert list(first_names(tree)) == names


def test_paths_of_imports_are_read() -> None:
    tree = "{super::a::{self, b as c}, crate::d::{e::{f, g}, h}, i}"
    paths = ["super::a", "super::a::b", "crate::d::e::f", "crate::d::e::g", "crate::d::h", "i"]
    assert ["::".join(path) for path in use_paths(tree)] == paths


@drawn
def test_every_room_is_drawn_once(name: str) -> None:
    listed = [room for floor in floors(name) for room in floor]
    assert sorted(listed) == sorted(LISTS[name]().keys() | ({"_core"} if "py" in name else set()))


@drawn
def test_no_room_imports_a_later_one(name: str) -> None:
    height = {room: number for number, floor in enumerate(floors(name)) for room in floor}
    upward = [
        f"{room} imports {target} in {place}"
        for room, targets in LISTS[name]().items()
        for target, place in targets.items()
        if height[target] > height[room]
    ]
    assert upward == []


@drawn
def test_rooms_of_one_floor_import_in_no_circle(name: str) -> None:
    arrows = LISTS[name]()
    TopologicalSorter({room: targets.keys() for room, targets in arrows.items()}).prepare()


def test_rust_files_import_in_no_circle() -> None:
    arrows = rust_modules()
    assert len(arrows) > 150
    assert sum(map(len, arrows.values())) > 800
    TopologicalSorter(arrows).prepare()


def test_python_modules_import_in_no_circle() -> None:
    arrows = python_modules()
    assert len(arrows) > 100
    TopologicalSorter(arrows).prepare()
