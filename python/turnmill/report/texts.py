"""Every sentence that the report and the view show, by language and key.

A language has every key of English; names in braces are filled in.
"""

from __future__ import annotations

from typing import Any

from turnmill.errors import ArgumentError
from turnmill.rules import Rule

TEXTS: dict[str, dict[str, str]] = {
    "en": {
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
        "duplicates": "{rows} written rows have the same bytes as one before them; {conversations} "
        "hold a conversation that stood before.",
        # The end of turns
        "ends": "Does every turn end?",
        "ends-promise": "Each trained turn was verified as it was written: its last trained token "
        "is in the stop set, no stop token stands before it, and nothing after it is trained. Rows "
        "for which that cannot be had are left out, with their reason.",
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
        "notes": "Notes",
        # Distributions
        "lengths": "How long, and how much of it is trained",
        "length-chart": "Samples by length in tokens",
        "share-chart": "Samples by the share of their tokens that is trained",
        "turns-chart": "Samples by their number of turns",
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
        "over-length": "With max_length = {length} and over_length = {choice}, {turns} turns of "
        "{tokens} tokens were left out so that samples fit.",
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
    }
}
"""The sentences."""


class Texts:
    """The sentences in one language.

    Raises:
        ArgumentError: There is no such language.
    """

    def __init__(self, language: str = "en") -> None:
        if language not in TEXTS:
            hint = f"language takes one of: {', '.join(TEXTS)}"
            message = f"language cannot be {language!r}"
            raise ArgumentError(message, code="invalid-language", hint=hint)
        self.language = language
        """The language, as HTML names it."""
        self._texts = TEXTS[language]

    def rule(self, found: Rule) -> Rule:
        """A rule with its meaning, cause and cure in this language."""
        return found

    def __call__(self, key: str, **values: Any) -> str:
        """The sentence of a key, its names filled in."""
        return self._texts[key].format(**values) if values else self._texts[key]
