"""How often the rows of each input are written, and what the index carries of them."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

import fixtures
import turnmill
from sets import defined_on, entries, numbered, write
from turnmill.inputs import files
from turnmill.prepare.mixture import apportion, check_shares
from turnmill.recipe import Quota

TOKENIZER = fixtures.ROOT / "python" / "turnmill" / "demo" / "tokenizer"
PAGE = fixtures.ROOT / "docs" / "set.md"


def recipe(**keys: Any) -> turnmill.Recipe:
    return turnmill.Recipe(tokenizer=TOKENIZER, now="2026-01-02", **keys)


QUOTAS = st.one_of(
    st.just(Quota()),
    st.builds(Quota, epochs=st.sampled_from([0.1, 0.5, 1.0, 1.5, 2.0, 3.0])),
    st.builds(Quota, share=st.sampled_from([0.01, 0.1, 0.3, 1 / 3, 0.5])),
)


@given(st.lists(st.tuples(st.integers(1, 10_000), QUOTAS), min_size=1, max_size=6))
def test_shares_are_met_within_one_row(items: list[tuple[int, Quota]]) -> None:
    available, quotas = [count for count, _ in items], [quota for _, quota in items]
    try:
        check_shares(quotas)
    except turnmill.RecipeError:
        assume(False)
    counts = apportion(available, quotas)
    for count, number, quota in zip(counts, available, quotas, strict=True):
        if quota.share is not None:
            assert abs(count - quota.share * sum(counts)) <= 1 + 1e-6
        else:
            assert abs(count - Fraction(repr(quota.epochs or 1)) * number) <= Fraction(1, 2)


@given(
    st.lists(st.integers(1, 1000), min_size=2, max_size=5).flatmap(
        lambda parts: st.tuples(
            st.just([part / sum(parts) for part in parts]),
            st.lists(st.integers(1, 5000), min_size=len(parts), max_size=len(parts)),
        )
    )
)
def test_inputs_that_all_have_a_share_are_never_repeated(
    drawn: tuple[list[float], list[int]],
) -> None:
    shares, available = drawn
    quotas = [Quota(share=share) for share in shares]
    check_shares(quotas)
    counts = apportion(available, quotas)
    assert all(count <= number for count, number in zip(counts, available, strict=True))
    size = sum(counts)
    for count, share in zip(counts, shares, strict=True):
        assert abs(count - share * size) <= 1 + 1e-6
    # One row more would repeat one of an input.
    assert any(share * (size + 1) > n + 1e-9 for share, n in zip(shares, available, strict=True))


@pytest.mark.parametrize(
    ("quotas", "said"),
    [
        ([Quota(share=0.5), Quota(share=0.5), Quota()], "leaves nothing for the 1 without"),
        ([Quota(share=0.5), Quota(share=0.4)], r"add up to 0\.9, not to 1"),
        ([Quota(share=0.7), Quota(share=0.7)], r"add up to 1\.4, not to 1"),
    ],
)
def test_shares_that_cannot_be_had_are_refused(quotas: list[Quota], said: str) -> None:
    with pytest.raises(turnmill.RecipeError, match=said):
        check_shares(quotas)


OWN = st.fixed_dictionaries(
    {},
    optional={
        "weight": st.sampled_from(["2 epochs", "0.5 epochs", "1.5 epochs", 0.25, 0.1]),
        "cap": st.integers(1, 12),
    },
)
INPUTS = st.lists(st.tuples(st.integers(1, 20), st.integers(0, 15), OWN), min_size=1, max_size=3)


def expected(
    inputs: list[tuple[str, dict[str, Any]]], plain: Path, seed: int, *, validation: float
) -> Counter[tuple[str, int]]:
    """How often each row is written, in plain Python."""
    page = defined_on(PAGE)
    seen: set[bytes] = set()
    rows: dict[str, list[tuple[int, bytes]]] = {source: [] for source, _ in inputs}
    for entry in entries(plain):
        if entry["conversation"] not in seen:
            rows[entry["source"]].append((entry["row"], entry["conversation"]))
        seen.add(entry["conversation"])

    def drawn(some: list[tuple[int, bytes]], count: int) -> list[tuple[int, bytes]]:
        return [some[n] for n in page["drawn"]([hash_ for _, hash_ in some], seed, count)]

    copies: Counter[tuple[str, int]] = Counter()
    train: list[list[tuple[int, bytes]]] = []
    for source, own in inputs:
        taken = sorted(drawn(rows[source], own.get("cap", len(rows[source]))))
        apart = [row for row in taken if int.from_bytes(row[1][:8], "big") < validation * 2**64]
        copies.update((source, row) for row, _ in apart)
        train.append([row for row in taken if row not in apart])
    quotas = [turnmill.Input(source, **own).quota for source, own in inputs]
    counts = apportion([len(some) for some in train], quotas)
    for (source, _), some, count in zip(inputs, train, counts, strict=True):
        each, more = divmod(count, len(some)) if some else (0, 0)
        copies.update({(source, row): each for row, _ in some})
        copies.update((source, row) for row, _ in drawn(some, more))
    return +copies


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=INPUTS, seed=st.integers(0, 2**64 - 1), validation=st.sampled_from([0.0, 0.3]))
def test_random_mixtures_are_what_plain_python_makes_of_them(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[tuple[int, int, dict[str, Any]]],
    seed: int,
    validation: float,
) -> None:
    folder = tmp_path_factory.mktemp("mixture")
    inputs = [
        (write(folder / f"{n}.jsonl", numbered(count, first)), own)
        for n, (count, first, own) in enumerate(drawn)
    ]
    turnmill.prepare([source for source, _ in inputs], folder / "plain", recipe())
    made = recipe(dedup="exact", seed=seed, validation=validation)
    given_inputs = [turnmill.Input(source, **own) for source, own in inputs]
    try:
        run = turnmill.prepare(given_inputs, folder / "out", made)
    except (turnmill.RecipeError, turnmill.DataError) as error:
        event(error.code)
        assume(error.code not in {"bad-shares", "no-rows"})
        raise
    wanted = expected(inputs, folder / "plain", seed, validation=validation)
    found = entries(folder / "out")
    assert Counter((entry["source"], entry["row"]) for entry in found) == wanted
    totals = json.loads((folder / "out" / "turnmill.json").read_text())["totals"]
    assert totals["rows_written"] == len(wanted)
    assert totals["rows"] == totals["rows_written"] + totals["rows_rejected"]
    assert totals["samples"] == len(found) == run.samples
    rejects = pq.read_table(folder / "out" / "rejects.parquet").to_pylist()
    assert len(rejects) == totals["rows_rejected"]
    assert not {(reject["source"], reject["row"]) for reject in rejects} & set(wanted)


def test_a_weighted_set_from_a_recipe_in_toml(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", numbered(30))
    for name in "bc":
        (tmp_path / "more").mkdir(exist_ok=True)
        write(tmp_path / "more" / f"{name}.jsonl", numbered(100, 1000 if name == "b" else 2000))
    (tmp_path / "recipe.toml").write_text(
        f"tokenizer = {str(TOKENIZER)!r}\n"
        f"[[inputs]]\npath = '{tmp_path}/a.jsonl'\nweight = '2 epochs'\n"
        f"[[inputs]]\npath = '{tmp_path}/more/*.jsonl'\nweight = 0.4\ncap = 90\n"
    )
    made = turnmill.Recipe.from_toml(tmp_path / "recipe.toml")
    run = turnmill.prepare(None, tmp_path / "out", made)
    assert run.samples == 100
    by_file = Counter(Path(entry["source"]).name for entry in entries(tmp_path / "out"))
    # The share and the cap are those of the two files together.
    assert by_file["a.jsonl"] == 60
    assert by_file["b.jsonl"] + by_file["c.jsonl"] == 40
    assert min(by_file.values()) > 5
    assert run.rejected == {"not-drawn": 160}
    assert "mixture  a.jsonl: 60 rows, 60 %" in str(run)
    assert len(datasets.load_from_disk(str(tmp_path / "out"))) == 100


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of a few rows."""
    monkeypatch.setattr(files, "PART_BYTES", 2000)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("form", ["arrow", "parquet"])
def test_every_row_still_tells_what_became_of_it(tmp_path: Path, form: str) -> None:
    source = write(tmp_path / "a.jsonl", numbered(40))
    output = tmp_path / "out"
    made = recipe(validation=0.2, format=form)
    turnmill.prepare([turnmill.Input(source, weight="1.5 epochs", cap=30)], output, made)
    copies = Counter(entry["row"] for entry in entries(output))
    assert set(copies.values()) == {1, 2}
    for row in range(40):
        shown = str(turnmill.show(output, source=f"{source}:{row + 1}"))
        # Of a row that is left out, the raw row is shown, with its lines folded.
        assert " ".join(shown.split()).count(f"It is {row}.") == max(1, copies[row])
        assert ("rejected: not-drawn" in shown) == (row not in copies)
    findings = turnmill.check(output)
    assert findings.ok
    assert "stale-cache" not in findings.rules
    assert findings.facts["replay"]["by"] == "rendered"


@pytest.mark.usefixtures("small_parts")
def test_a_smaller_cap_takes_some_of_what_a_larger_one_takes(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", numbered(60))
    taken = []
    for cap in (5, 20):
        turnmill.prepare([turnmill.Input(source, cap=cap)], tmp_path / str(cap), recipe())
        taken.append({entry["row"] for entry in entries(tmp_path / str(cap))})
    assert [len(some) for some in taken] == [5, 20]
    assert taken[0] < taken[1]
    turnmill.prepare([turnmill.Input(source, cap=20)], tmp_path / "other", recipe(seed=1))
    assert {entry["row"] for entry in entries(tmp_path / "other")} != taken[1]


@pytest.mark.usefixtures("small_parts")
def test_another_weight_on_the_same_output_makes_the_set_of_a_fresh_one(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", numbered(60))
    for weight in ("0.5 epochs", "2 epochs", None):
        item = turnmill.Input(source, weight=weight)
        turnmill.prepare([item], tmp_path / "out", recipe())
        fresh = tmp_path / str(weight)
        turnmill.prepare([item], fresh, recipe())
        assert entries(tmp_path / "out") == entries(fresh)
        names = {path.name for path in fresh.glob("data-*")}
        assert names == {path.name for path in (tmp_path / "out").glob("data-*")}
        for name in names:
            assert (fresh / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_an_input_without_rows_for_its_share_is_named(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty.jsonl", [])
    some = write(tmp_path / "some.jsonl", numbered(3))
    with pytest.raises(turnmill.DataError, match="no row for its share") as raised:
        turnmill.prepare([turnmill.Input(empty, weight=0.5), some], tmp_path / "out", recipe())
    assert raised.value.path == empty


def test_carried_columns_stand_beside_every_sample(tmp_path: Path) -> None:
    rows = [
        {**row, "licence": "mit" if row["id"] % 2 else None, "source": {"site": row["id"]}}
        for row in numbered(20)
    ]
    source = write(tmp_path / "a.jsonl", rows)
    table = pa.Table.from_pylist([{**row, "user": "me"} for row in rows])
    inputs = [turnmill.Input(source, carry=["licence", "source"]), turnmill.Input(table)]
    inputs[1] = turnmill.Input(table, carry=["user"])
    turnmill.prepare(inputs, tmp_path / "out", recipe(carry=["id"]))
    found = entries(tmp_path / "out")
    assert len(found) == 40
    for entry in found:
        row = rows[entry["row"]]
        assert entry["id"] == str(row["id"])
        if entry["source"] == source:
            assert entry["licence"] == row["licence"]
            assert json.loads(entry["row_source"]) == row["source"]
        else:
            assert entry["user"] == "me"


def test_any_value_of_a_dict_can_be_carried(tmp_path: Path) -> None:
    odd = {"when": dt.date(2026, 1, 2), "what": object, "images": [1], "id": 1}
    rows = [{**row, **odd} for row in numbered(2)]
    item = turnmill.Input(rows, carry=list(odd))
    run = turnmill.prepare([item], tmp_path / "out", recipe())
    assert not run.rejected
    entry = entries(tmp_path / "out")[0]
    assert {key: entry[key] for key in odd} == {
        "when": "2026-01-02",
        "what": "<class 'object'>",
        "images": "[1]",
        "id": "1",
    }
