"""`docs/works-today.md` is what its script says, and says of no template that its text differs."""

from __future__ import annotations

import importlib.util

import fixtures


def test_the_page_is_what_the_script_says() -> None:
    fixtures.fixture("chat_templates")
    path = fixtures.ROOT / "scripts" / "works_today.py"
    spec = importlib.util.spec_from_file_location("works_today", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.page()
    assert (fixtures.ROOT / "docs" / "works-today.md").read_text("utf-8") == text
    tables = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    differing = [cells[3].strip(" |") for cells in tables if cells[1][:1].isdigit()]
    assert set(differing) <= {"0"}
    assert len(differing) > 40
