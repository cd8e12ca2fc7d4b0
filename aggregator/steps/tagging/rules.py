"""The tag rules of feeds.yaml: a query each, asked in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from aggregator.model.channel import TagRule
from aggregator.model.entry import Tag
from aggregator.query.grammar import parse_query
from aggregator.query.matching import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A rule whose query was read; `tag` is the one it gives."""

    tag: Tag
    query: Query


def compile_rules(rules: Sequence[TagRule]) -> tuple[CompiledRule, ...]:
    """Read the queries of all rules, once; raises QueryError."""
    return tuple(
        CompiledRule(
            tag=Tag(name=rule.tag, origin="rule", label=rule.label, rule=rule.when, version=_version(rule)),
            query=parse_query(rule.when),
        )
        for rule in rules
    )


def _version(rule: TagRule) -> str:
    return blake2b(f"{rule.tag}\0{rule.when}".encode(), digest_size=4).hexdigest()
