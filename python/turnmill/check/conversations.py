"""Checks conversations: what encoding them finds, and the audit of the samples."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from turnmill import _core
from turnmill.check.findings import OF_TRAINING, Findings
from turnmill.check.repeated import RULE, Repeated
from turnmill.check.serving import served_by
from turnmill.check.settings import Settings
from turnmill.encoder.feed import outputs
from turnmill.encoder.inspect import inspect_input
from turnmill.encoder.ready import ready
from turnmill.encoder.session import ShardOptions
from turnmill.recipe import Recipe


def check_conversations(data: Any, settings: Settings) -> Findings:
    """Encodes every row as ``turnmill prepare`` would and lists what that finds.

    Raises:
        RecipeError: Tokenizer, template and stop set disagree, or the rows need a decision.
    """
    served = None if settings.serving is None else served_by(settings.serving)
    session, inputs = ready(_recipe(settings, served), data)
    schemas = [(found, inspect_input(found, session).schema) for found in inputs]
    check = session.open_check(settings.evidence, served)
    named: dict[str, dict[str, int]] = {}
    repeated = Repeated(settings.evidence)
    for found, schema in schemas:
        options = ShardOptions.of(found, schema, found.whole, threads=settings.threads)
        shard = session.open_shard(options, check)
        for output in outputs(shard, found, found.whole):
            repeated.see(found.name, output.index)
        for rule, name, count in shard.named():
            counts = named.setdefault(rule, {})
            counts[name] = counts.get(name, 0) + count
        check.add(shard)
    findings = Findings.of_report(json.loads(check.finish()))
    if settings.recipe.train_on == "none":
        findings = findings.without(OF_TRAINING)
    if repeated.count:
        findings = findings.with_places(RULE, repeated.count, repeated.places)
    facts = session.facts()
    notes = [*facts["notes"], *findings.facts["notes"], *_names(named)]
    return findings.with_facts(stop=facts["stop"], notes=notes)


def _recipe(settings: Settings, served: _core.Served | None) -> Recipe:
    recipe = settings.recipe
    if served is not None and recipe.stop == "auto":
        recipe = replace(recipe, stop=served.stop)
    if settings.template:
        recipe = replace(recipe, template=settings.template)
    # Rejects are what a check is for: they must not stop it.
    return replace(recipe, max_rejects=1.0)


def _names(named: dict[str, dict[str, int]]) -> list[str]:
    """What rules were counted for, such as columns; the replay knows nothing of it."""
    return [
        f"{rule}: {', '.join(f'{name} {count:,}' for name, count in counts.items())}; "
        "the server's prompts are rendered without them"
        for rule, counts in named.items()
    ]
