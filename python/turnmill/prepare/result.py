"""A finished run: what was written, what was not, and what to do next."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

from turnmill import _markup
from turnmill._terminal import (
    Terminal,
    columns_of,
    count,
    duration,
    share,
    short_count,
    silent,
    table,
    terminal,
    visible,
    wrap,
)
from turnmill.languages import locale_language
from turnmill.output.answers import SCHEMAS
from turnmill.output.formats import FORMATS
from turnmill.output.trainer_step import NextStep
from turnmill.output.trainers import next_steps, prompt_steps, usable_length
from turnmill.packing import Pack
from turnmill.prepare.commit import Totals
from turnmill.prepare.history_cost import HistoryCost, in_words
from turnmill.prepare.shard import Tally
from turnmill.rules import OUT_OF_SET
from turnmill.stats.histogram import percentile_name
from turnmill.storage.remote import AnyPath

_NAMED_FILES = 8
"""How many files that were not read are named on the terminal; ``Run.left`` has all."""


@dataclass(frozen=True)
class Run:
    """A finished run: what was written, what was not, and what to do next."""

    output: AnyPath
    """The output directory."""
    totals: Totals
    facts: dict[str, Any]
    """Tokenizer, template and stop set."""
    inputs: list[dict[str, Any]]
    """The inputs, each with its name, format and schema."""
    format: str
    """The format of the data files: a name of `turnmill.output.formats.FORMATS`."""
    columns: list[str]
    """The columns of the data files."""
    seconds: float
    """Time of this run; a resumed run counts only its own share."""
    bytes_read: int
    """Bytes of text or Arrow data that this run read."""
    shards: int
    shards_reused: int
    """Shards that an earlier run had finished."""
    pack: Pack | None = None
    """The packs over the output, if the recipe asks for them."""
    left: list[str] = field(default_factory=list)
    """Files of the input directories that were not read."""
    history: HistoryCost | None = None
    """What each choice of ``history`` costs on the first rows, if the choices differ."""

    report: str | None = None
    """The file with the report, if one was written."""
    prompts: bool = False
    """Whether its samples are prompts, of which nothing is trained."""
    part: tuple[int, int] | None = None
    """Which part of a run on several machines this is, and of how many; None: the whole run."""

    @property
    def rows(self) -> int:
        """Number of input rows: rows written plus rows rejected."""
        return self.totals.tally.rows

    @property
    def rejected(self) -> dict[str, int]:
        """Rejected rows by rule, most frequent first."""
        return self.totals.rejected

    @property
    def samples(self) -> int:
        """Training samples written."""
        return self.totals.tally.samples

    @property
    def next_steps(self) -> list[NextStep]:
        """Settings for trainers; none for a part, which nothing can be trained on."""
        if self.part:
            return []
        length = usable_length(self.totals.lengths)
        format_, apart = FORMATS[self.format], bool(self.totals.splits)
        if self.prompts:
            return prompt_steps(str(self.output), format_, apart=apart)
        longest = self.totals.lengths.get(100)
        return next_steps(
            str(self.output), format_, length, self.columns, apart=apart, longest=longest
        )

    def __str__(self) -> str:
        return "\n".join(self.summary(terminal(sys.stdout, colour=False)))

    def _repr_html_(self) -> str:
        say = (console := silent(locale_language())).say
        rejected = [(rule, number, say("left out")) for rule, number in self.rejected.items()]
        counted = [
            (rule, number, _kept(self, console))
            for rule, number in self.totals.rules.items()
            if rule not in self.rejected
        ]
        facts = [
            (say("rows in"), self.rows),
            (say("written"), self.rows - sum(self.rejected.values())),
            (say("samples"), self.samples),
            (say("tokens"), self.totals.tally.tokens),
            *([] if self.prompts else [(say("trained"), self.totals.tally.trained)]),
            *([] if self.prompts else [(say("ends in"), _end(self.facts))]),
            (say("output"), str(self.output)),
        ]
        head = (say("rule"), say("count"), "")
        return (
            _markup.heading(say("ok") + say(": ") + _sentence(self, console))
            + _markup.table(("", ""), facts)
            + (_markup.table(head, rejected + counted) if rejected + counted else "")
        )

    def summary(self, console: Terminal) -> list[str]:
        """The closing lines of ``turnmill prepare``, which ``print(run)`` prints."""
        if self.part:
            return _of_part(self, *self.part, console)
        return [
            *_verdict(self, console),
            "",
            *_rows(self, console),
            "",
            *_samples(self, console),
            *_rules(self, console),
            *_notes(self, console),
            "",
            *(self.pack.summary(console) if self.pack else _next(self, console)),
        ]

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON-able values, as ``turnmill prepare --json`` prints it."""
        return {
            "output": str(self.output),
            "inputs": self.inputs,
            **self.totals.to_dict(),
            "stop": self.facts["stop"],
            "notes": self.facts.get("notes", []),
            "left": self.left,
            "findings": self.facts.get("findings", []),
            "history": self.history,
            "seconds": round(self.seconds, 3),
            "bytes_read": self.bytes_read,
            "shards": self.shards,
            "shards_reused": self.shards_reused,
            **({"part": list(self.part)} if self.part else {}),
            **({"report": self.report} if self.report else {}),
            **({"pack": self.pack.to_dict()} if self.pack else {}),
        }


def _of_part(run: Run, number: int, parts: int, console: Terminal) -> list[str]:
    """What a part has made; the numbers of the run are those of the merge."""
    text = console.say(
        "part {number} of {parts} is made "
        "(shards {shards}, rows {rows}, rejected so far {rejected})",
        number=count(number),
        parts=count(parts),
        shards=count(run.shards),
        rows=count(run.rows),
        rejected=count(sum(run.rejected.values())),
    )
    step = console.say(
        "when all parts are made: turnmill merge {output}", output=visible(str(run.output))
    )
    return [
        *_labelled("ok", "green", text, console),
        *_rules(run, console),
        *_notes(run, console),
        *_labelled("next", "green", step, console),
    ]


def _verdict(run: Run, console: Terminal) -> list[str]:
    return _labelled("ok", "green", _sentence(run, console), console)


def _sentence(run: Run, console: Terminal) -> str:
    """What came out of it."""
    rejected = sum(run.rejected.values())
    rows, written = count(run.rows), count(run.rows - rejected)
    if rejected:
        text = console.say("{written} of {rows} rows are written", written=written, rows=rows)
    elif run.rows == 1:
        text = console.say("the only row is written")
    else:
        text = console.say("all {rows} rows are written", rows=rows)
    text += (
        console.say(", as prompts that the model is to answer")
        if run.prompts
        else console.say(", and every trained turn ends in {end}", end=_end(run.facts))
    )
    if rejected:
        values = {
            "share": share(rejected, run.rows),
            "file": visible(str(run.output / "rejects.parquet")),
        }
        text += (
            console.say("; 1 row is left out ({share}) and listed in {file}", **values)
            if rejected == 1
            else console.say(
                "; {count} rows are left out ({share}) and listed in {file}",
                count=count(rejected),
                **values,
            )
        )
    return text


def _labelled(word: str, colour: str, text: str, console: Terminal) -> list[str]:
    """A sentence after a coloured word."""
    word = console.say(word)
    first, *others = wrap(word + console.say(": ") + text, console.width, indent="  ")
    return [first.replace(word, console.style(word, "bold", colour), 1), *others]


def _rows(run: Run, console: Terminal) -> list[str]:
    rejected = sum(run.rejected.values())
    cells = [
        (console.say("rows in"), count(run.rows), ""),
        (
            f"  {console.say('written')}",
            count(run.rows - rejected),
            share(run.rows - rejected, run.rows),
        ),
        *(
            (
                f"  {console.say('rejected: {rule}', rule=rule)}",
                count(number),
                share(number, run.rows),
            )
            for rule, number in run.rejected.items()
        ),
    ]
    lines = table(cells, numbers=(1, 2))
    painted = [console.style(lines[0], "bold"), console.style(lines[1], "green")]
    return painted + [console.style(line, "yellow") for line in lines[2:]]


def _samples(run: Run, console: Terminal) -> list[str]:
    tally, lengths = run.totals.tally, run.totals.lengths
    spread = "  ".join(
        f"{console.say(percentile_name(percent))} {count(length)}"
        for percent, length in lengths.items()
    )
    tokens = count(tally.tokens)
    if not run.prompts:
        tokens = console.say(
            "{tokens}, {share} trained ({trained})",
            tokens=tokens,
            share=share(tally.trained, tally.tokens),
            trained=count(tally.trained),
        )
    cells = [
        *_schemas(run.inputs, console),
        *_left(run.left, console),
        *_mixture(run.inputs, console),
        (console.say("samples"), _sides(run, console) + _shards(run, console)),
        (console.say("tokens"), tokens),
        (console.say("length"), spread),
        *_lost(tally, console),
        *([] if run.prompts else _ends(run.facts, console)),
        (console.say("time"), _time(run)),
        (console.say("output"), console.style(visible(str(run.output)), "cyan")),
        *_report(run, console),
    ]
    return table(cells)


def _time(run: Run) -> str:
    """How long it took, and how fast it was, if it made all shards."""
    if run.shards_reused or not run.seconds:
        return duration(run.seconds)
    speed = run.bytes_read / 1e6 / run.seconds
    tokens = run.totals.tally.tokens / run.seconds
    return f"{duration(run.seconds)}, {speed:.1f} MB/s, {short_count(tokens)} tokens/s"


def _report(run: Run, console: Terminal) -> list[tuple[str, str]]:
    """The page that was written, if one was."""
    if run.report is None:
        return []
    return [(console.say("report"), console.style(visible(run.report), "cyan"))]


def _sides(run: Run, console: Terminal) -> str:
    """The samples, or those of each data set."""
    splits = run.totals.splits.items()
    sides = [f"{count(counts['samples'])} {split}" for split, counts in splits]
    return console.say(" and ").join(sides) or count(run.totals.tally.samples)


def _shards(run: Run, console: Terminal) -> str:
    """Behind the samples: in how many shards they are."""
    text = (
        console.say(" in 1 shard")
        if run.shards == 1
        else console.say(" in {count} shards", count=count(run.shards))
    )
    if not run.shards_reused:
        return text
    return text + console.say(", {count} of them kept from before", count=run.shards_reused)


def _lost(tally: Tally, console: Terminal) -> list[tuple[str, str]]:
    """What over-length has cost, by side where answers are judged."""
    if not tally.lost_tokens:
        return []
    lost = console.say(
        "{turns} turns, {tokens} tokens",
        turns=count(tally.lost_turns),
        tokens=count(tally.lost_tokens),
    )
    if tally.lost_rejected_tokens:
        lost += console.say(
            " (chosen {chosen}, rejected {rejected})",
            chosen=count(tally.lost_tokens - tally.lost_rejected_tokens),
            rejected=count(tally.lost_rejected_tokens),
        )
    return [(console.say("left out"), lost)]


def _schemas(inputs: list[dict[str, Any]], console: Terminal) -> list[tuple[str, str]]:
    """Each schema with its one file, or the number of its files."""
    names: dict[str, list[str]] = {}
    for read in inputs:
        names.setdefault(read["schema"], []).append(visible(read["name"].rpartition("/")[2]))
    lines = [
        f"{console.say('no rows') if schema == 'auto' else schema}: "
        f"{found[0] if len(found) == 1 else console.say('{count} inputs', count=len(found))}"
        for schema, found in names.items()
    ]
    return [("" if i else console.say("read as"), line) for i, line in enumerate(lines)]


def _left(files: list[str], console: Terminal) -> list[tuple[str, str]]:
    """Files that were not read, the first of many."""
    if not files:
        return []
    named = [visible(file) for file in files[:_NAMED_FILES]]
    more = len(files) - len(named)
    others = console.say(" and {count} more", count=count(more)) if more else ""
    return [(console.say("not read"), ", ".join(named) + others)]


def _mixture(inputs: list[dict[str, Any]], console: Terminal) -> list[tuple[str, str]]:
    """The share of each input in the set, if one of them says how large it is."""
    if not any(name in read for read in inputs for name in ("share", "epochs", "cap")):
        return []
    total = sum(read["train_rows"] for read in inputs)
    lines = [
        console.say(
            "{name}: {rows} rows, {share}",
            name=visible(read["name"].rpartition("/")[2]),
            rows=count(read["train_rows"]),
            share=share(read["train_rows"], total),
        )
        for read in inputs[:_NAMED_FILES]
    ]
    if len(inputs) > _NAMED_FILES:
        more = count(len(inputs) - _NAMED_FILES)
        lines.append(console.say("and {count} more inputs", count=more))
    return [("" if i else console.say("mixture"), line) for i, line in enumerate(lines)]


def _ends(facts: dict[str, Any], console: Terminal) -> list[tuple[str, str]]:
    """What ends turns, and on what serving stops, in lines that fit beside their title."""
    stops = [f"{stop['token']} ({stop['id']})" for stop in facts["stop"]]
    text = ends = _end(facts)
    if stops != [ends]:
        text = console.say("{end}; serving stops on {stops}", end=ends, stops=", ".join(stops))
    title = console.say("ends in")
    first, *others = wrap(text, console.width - columns_of(title) - 2)
    return [(title, first), *(("", line) for line in others)]


def _end(facts: dict[str, Any]) -> str:
    """The token that ends turns, with its id."""
    terminator = facts.get("terminator") or facts["stop"][0]
    return f"{terminator['token']} ({terminator['id']})"


def _rules(run: Run, console: Terminal) -> list[str]:
    counted = {rule: n for rule, n in run.totals.rules.items() if rule not in run.rejected}
    if not counted:
        return []
    named = run.totals.named
    cells = [
        (f"  {rule}", count(number), _names(named.get(rule, {})))
        for rule, number in counted.items()
    ]
    lines = [line.rstrip() for line in table(cells, numbers=(1,))]
    return ["", console.style(_kept(run, console), "bold"), *lines]


def _kept(run: Run, console: Terminal) -> str:
    """What became of rows with a rule that rejects none."""
    if OUT_OF_SET & run.rejected.keys():
        return console.say("counted; some of these rows may be among those left out of the set")
    return console.say("counted, and written")


def _names(counts: dict[str, int]) -> str:
    """What a rule was counted for: ``tools 12, system 3``."""
    return ", ".join(f"{name} {count(number)}" for name, number in counts.items())


def _notes(run: Run, console: Terminal) -> list[str]:
    notes = run.facts.get("notes", [])
    found = [
        f"{item['rule']}: {item['note']}"
        for item in run.facts.get("findings", [])
        if item["note"] not in notes
    ]
    history = [] if run.history is None else [in_words(run.history, console)]
    empty = [
        console.say(
            "no conversation falls into {split}: its hash decides, and there are few of them",
            split=split,
        )
        for split, counts in run.totals.splits.items()
        if not counts["rows"]
    ]
    return [
        line
        for note in [*notes, *found, *history, *_too_long(run, console), *empty]
        for line in _labelled("note", "yellow", visible(note), console)
    ]


def _too_long(run: Run, console: Terminal) -> list[str]:
    """What to do about a few samples that are far longer than the others."""
    if any(read["schema"] in SCHEMAS for read in run.inputs):
        return []  # the lengths are those of two answers, and shorter ones lose one
    length = usable_length(run.totals.lengths)
    longer = run.totals.longer_than(length)
    if not longer:
        return []
    values = {"length": count(length), "longest": count(run.totals.lengths[100])}
    text = (
        console.say("1 sample is longer than {length} tokens, up to {longest}", **values)
        if longer == 1
        else console.say(
            "{count} samples are longer than {length} tokens, up to {longest}",
            count=count(longer),
            **values,
        )
    )
    cure = console.say(
        "; if that is too much for your trainer, --max-length {length} keeps the whole turns that "
        "fit",
        length=length,
    )
    return [text + cure]


def _next(run: Run, console: Terminal) -> list[str]:
    return [
        line
        for step in run.next_steps
        for line in _labelled("next", "green", f"{step.trainer}: {visible(step.short)}", console)
    ]
