"""Every sentence that the report and the view show, by key; names in braces are filled in.

Other languages stand in `turnmill.languages`, each with every key.
"""

from __future__ import annotations

from typing import Any

from turnmill.errors import ArgumentError
from turnmill.languages import LANGUAGES, locale_language, page_texts, sentence
from turnmill.rules import Rule

TEXTS: dict[str, str] = {
    "title": "turnmill report",
    "skip": "Skip to the report",
    "contents": "Contents",
    "go-ledger": "In and out",
    "go-ends": "Ends",
    "go-findings": "Findings",
    "go-lengths": "Lengths",
    "go-token-sources": "Tokens",
    "go-fit": "Packing",
    "go-sampled": "Samples",
    "go-provenance": "Made from",
    # The verdict
    "verdict-all": "All {rows} rows are written.",
    "verdict-some": "{written} of {rows} rows are written, {rejected} are left out ({share}).",
    "verdict-ends": "Every trained turn ends in {terminator}.",
    "verdict-compat": "Made as {compat} makes it: turns are not promised to end.",
    "verdict-trained": "{trained} of {tokens} tokens are trained ({share}): {what}.",
    "trains-assistant": "the answers, each with its end",
    "trains-last-turn": "the last answer of each row, with its end",
    "trains-everything": "everything, prompts too",
    "trains-none": "nothing: the rows are prompts",
    "trains-text": "whole texts, each with its end",
    "trains-some": "{names}",
    "tile-rows": "rows in",
    "tile-written": "rows written",
    "tile-rejected": "rows left out",
    "tile-samples": "samples",
    "tile-tokens": "tokens",
    "tile-trained": "of them trained",
    # The ledger
    "ledger": "What went in, and what came out",
    "ledger-chart": "Rows written and rows left out, by rule",
    "rows-in": "rows in",
    "written": "written",
    "left-out": "left out",
    "why": "why",
    "rows": "rows",
    "share": "share",
    "example": "an example",
    "sources": "Inputs",
    "source": "input",
    "schema": "schema",
    "rejected": "left out",
    "samples": "samples",
    "tokens": "tokens",
    "trained": "trained",
    "median-length": "median length",
    "more-sources": "The inputs with the most rows are shown; {count} more are counted in all "
    "sums.",
    "duplicates": "Written rows with the same bytes as one before them: {rows}; with a "
    "conversation that stood before: {conversations}.",
    # The end of turns
    "ends": "Does every turn end?",
    "ends-promise": "Each trained turn was verified as it was written: its last trained token "
    "is in the stop set, no stop token stands before it, and nothing after it is trained. Rows "
    "for which that is impossible are left out, with their reason.",
    "ends-nothing": "Nothing is trained, so no turn has to end.",
    "ends-compat": "This output was made to equal that of {compat}, which does not promise "
    "that turns end. The rules below say what was found.",
    "ends-with": "turns end in",
    "serving-stops": "serving stops on",
    "control-tokens": "Control tokens",
    "control-note": "A stop token that is trained where it should be has a trained count near "
    "the number of trained turns.",
    "token": "token",
    "id": "id",
    "count": "count",
    "stops": "stops",
    "looked-at": "Counted in {seen} of {samples} samples, evenly spaced.",
    "yes": "yes",
    # The generation test
    "stop-test": "Does a model stop?",
    "stop-test-note": "{prompts} prompts of this data were answered, and {share} of the answers "
    "stop (95 % interval: {low} to {high}). The column for the data measures its own answers.",
    "stop-test-ok": "passed",
    "stop-test-bad": "not passed",
    "measure": "measure",
    "answers": "answers",
    "interval": "95 % interval",
    "data": "data",
    "before": "before",
    "measure-stop": "stops with a token of the stop set, before another turn begins",
    "measure-over_run": "stops, but late: beyond 1.5 times the reference and 8 tokens",
    "measure-premature": "stops early: below half of the reference",
    "measure-ran_past": "gives a stop token, and the generation goes on",
    "measure-foreign_stop": "gives a token that ends turns elsewhere",
    "measure-role_leak": "begins the turn of another role instead of stopping",
    "measure-restart": "begins again: its first 8 tokens come twice",
    "measure-repetition": "ends in something that comes 3 times in a row",
    "reference-length": "tokens of the reference",
    # Findings
    "findings": "Findings",
    "findings-none": "No rule was counted.",
    "rule": "rule",
    "severity": "severity",
    "error": "error",
    "warning": "warning",
    "info": "info",
    "meaning": "what it means",
    "cause": "Cause",
    "cure": "Cure",
    "counted-for": "Counted for",
    "places": "Places",
    "place-row": "{source}, row {row}",
    "place-line": "{source}, line {line}",
    "place-message": "message {message}",
    "is-left-out": "left out",
    "is-written": "counted, and written",
    "is-counted": "counted; some of these rows may be among those left out of the set",
    "notes": "Notes",
    # Distributions
    "lengths": "How long, and how much of it is trained",
    "length-chart": "Samples by length in tokens",
    "share-chart": "Samples by the share of their tokens that is trained",
    "turns-chart": "Samples by their number of turns",
    "chart-most": "tallest bar: {count}",
    "as-table": "As a table",
    "range": "range",
    "longer-note": "{count} samples are longer than the chart reaches, up to {longest} tokens.",
    "untrained": "{count} samples have no trained token.",
    "min": "shortest",
    "median": "median",
    "max": "longest",
    # Tokens
    "token-sources": "Where the tokens are",
    "by-source": "Tokens by input",
    "by-role": "Tokens by role",
    "role": "role",
    "role-none": "outside of messages",
    "trained-part": "trained",
    "masked-part": "masked",
    "roles-unknown": "The template does not tell roles apart by what it prints.",
    "no-tokenizer": "The tokenizer of the output is not where it was, so texts and control "
    "tokens are not shown. Name it with --tokenizer.",
    # Over length and packing
    "fit": "What does not fit, and packing",
    "over-length": "So that samples fit, turns were left out: {turns}, with {tokens} tokens "
    "(max_length = {length}, over_length = {choice}).",
    "over-length-rows": "Rows that were left out because they are too long: {rows}.",
    "no-limit": "The recipe sets no max_length, and nothing was cut.",
    "nothing-lost": "With max_length = {length}, nothing had to be left out of a sample.",
    "pack": "{packs} packs of {length} tokens, {fill} full ({strategy}); at best {fewest}. "
    "{documents} samples, {tokens} tokens.",
    "pack-left-out": "{count} samples longer than a pack are left out ({tokens} tokens).",
    "no-pack": "The output is not packed. `turnmill pack` puts several samples into a row.",
    "next": "Train with it",
    # Samples
    "sampled": "Samples",
    "sampled-note": "Trained tokens are green and underlined. A filled box with ■ is a trained "
    "terminator. Grey text is masked: the model sees it and does not learn it.",
    "sampled-counts": "{random} at random (seed {seed}), the longest, the shortest, and one "
    "for each rule that was counted or left a row out.",
    "no-text": "Texts are left out of this page.",
    "why-random": "drawn at random",
    "why-longest": "longest",
    "why-shortest": "shortest",
    "why-finding": "counted: {rule}",
    "why-reject": "left out: {rule}",
    "sample-tokens": "{tokens} tokens, {share} trained",
    "sample-ends": "terminators: {count}",
    "sample-endless": "no terminator",
    "answer-chosen": "chosen",
    "answer-rejected": "rejected",
    "answer-answer": "answer",
    "answer-good answer": "good answer",
    "answer-bad answer": "bad answer",
    "noted": "noted",
    "raw": "The row as it was read",
    "raw-gone": "The row cannot be read any more: its input was moved or has changed.",
    "reason": "reason",
    "shortened": " … {count} tokens in all … ",
    "more-messages": "… {count} more messages …",
    "trained-text": "trained: ",
    "terminator-text": "terminator: ",
    "terminator-mark": "ends",
    "text-left-out": "{tokens} tokens, {trained} trained",
    # Provenance
    "provenance": "What it was made from",
    "recipe": "Recipe",
    "recipe-note": "Keys that differ from their default stand first.",
    "key": "key",
    "value": "value",
    "changed": "set",
    "hashes": "Hashes",
    "versions": "Versions",
    "files": "Data files",
    "file": "file",
    "more-files": "… and {count} more, in turnmill.json",
    "tokenizer": "tokenizer",
    "template": "template",
    "made-at": "made",
    "made-in": "in {seconds} s, at {speed} MB/s",
    "made-by": "This page needs no network and no script. Written by turnmill {version}.",
    # The view
    "view-title": "turnmill view",
    "view-skip": "Skip to the rows",
    "view-filter": "Filter",
    "view-source": "Input",
    "view-rule": "Rule",
    "view-any": "any",
    "view-left-out": "all rows that were left out",
    "view-least": "Tokens, at least",
    "view-most": "Tokens, at most",
    "view-text": "Text",
    "view-apply": "Show",
    "view-clear": "Show all",
    "view-range": "{first} to {last} of {total}",
    "view-nothing": "No row passes the filter.",
    "view-found": "Found so far: {found}. Looked at {looked} of {total}.",
    "view-searching": "Searching: looked at {looked} of {total}. The page continues on its own.",
    "view-pages": "Pages",
    "view-first": "First",
    "view-previous": "Previous",
    "view-next": "Next",
    "view-on": "Search on",
    "view-go": "Go to number",
    "view-open": "Open",
    "view-back": "Back to the list",
    "view-number": "number {number}",
    "view-tokens": "Tokens",
    "view-token": "{position}: id {id}, label {label}, characters {start} to {end}",
    "view-token-far": "{position}: id {id}, label {label}",
    "view-tokens-range": "Tokens {first} to {last} of {total}",
    "view-position": "position",
    "view-label": "label",
    "view-span": "characters",
    "view-rule-note": "Rules that left rows out list all of these rows; of the others the run "
    "recorded the first places.",
    "view-first-rows": "The file cannot be entered in the middle: its first 100,000 rows are "
    "shown.",
    "view-wrong": "There is no such page.",
}
"""The sentences in English."""


class Texts:
    """The sentences in one language; one that lacks a key says it in English.

    Args:
        language: ``en`` or ``zh``; that of the locale if not given.

    Raises:
        ArgumentError: There is no such language.
    """

    def __init__(self, language: str | None = None) -> None:
        if language not in {None, *LANGUAGES}:
            hint = f"language takes one of: {', '.join(LANGUAGES)}"
            message = f"language cannot be {language!r}"
            raise ArgumentError(message, code="invalid-language", hint=hint)
        self.language = language or locale_language()
        """The language, as HTML names it."""
        self._texts = {**TEXTS, **page_texts(self.language)}

    def rule(self, found: Rule) -> Rule:
        """A rule with its meaning, cause and cure in this language."""
        return found.in_language(self.language)

    def sentence(self, english: str) -> str:
        """What a command says, in this language."""
        return sentence(self.language, english)

    def __call__(self, key: str, **values: Any) -> str:
        """The sentence of a key, its names filled in."""
        return self._texts[key].format(**values) if values else self._texts[key]
