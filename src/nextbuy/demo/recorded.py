"""The story of one trace, decoded from the API for the demo."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

_FIRST_ERROR: Final = 400


@dataclass(frozen=True)
class Interaction:
    """A request, call or event between two parts of the marketplace; `at` in seconds, `ms` in milliseconds."""

    at: float
    kind: str
    caller: str
    callee: str
    name: str
    outcome: str = "ok"
    ms: float = 0.0
    span_id: str = ""
    parent_id: str = ""
    status: int = 0
    attempt: int = 1
    carrier: str = ""
    """Of a published event: the engine that carries it."""
    event_id: str = ""
    subscriptions: Mapping[str, str] = field(default_factory=dict)
    """Of a consumed event: the outcome for each subscription of the callee."""

    @property
    def ends(self) -> float:
        """The time at which the interaction ended, in seconds."""
        return self.at + self.ms / 1000

    @property
    def ok(self) -> bool:
        """Whether the interaction succeeded; a step always does."""
        if self.kind == "step":
            return True
        return self.status < _FIRST_ERROR if self.status else self.outcome == "ok"


_FIELDS: Final = ("kind", "caller", "callee", "name", "outcome", "span_id", "parent_id", "status", "attempt", "carrier")


def decode_interactions(items: Iterable[Mapping[str, Any]]) -> list[Interaction]:
    """Return interactions in the order in which they began; unknown fields are ignored.

    A call has the caller's item and the callee's own (`serve`). A consumed event has an item per subscription, which
    become one interaction. It came from the bus to the kafka service first, which is an interaction of its own here
    (`read`) and lasts until its last delivery.
    """
    decoded: dict[tuple[object, ...], Interaction] = {}
    for item in items:
        one = _decode(item)
        key = (one.at, one.callee, one.event_id) if one.subscriptions else (len(decoded),)
        same = decoded.get(key, one)
        outcome = same.outcome if one.outcome == "ok" else one.outcome
        decoded[key] = replace(one, subscriptions={**same.subscriptions, **one.subscriptions}, outcome=outcome)
    in_order = sorted(decoded.values(), key=lambda interaction: interaction.at)
    reads: dict[str, Interaction] = {}
    for each in in_order:
        if each.kind == "consume":
            reads[each.event_id] = _read(reads.get(each.event_id, each), each)
    return sorted([*reads.values(), *in_order], key=lambda interaction: interaction.at)


def _read(first: Interaction, delivery: Interaction) -> Interaction:
    """Return the reading of an event, from its first delivery to this one."""
    return replace(
        first,
        kind="read",
        callee="kafka",
        ms=(max(first.ends, delivery.ends) - first.at) * 1000,
        outcome=first.outcome if first.ok else delivery.outcome,
        subscriptions={**first.subscriptions, **delivery.subscriptions},
    )


def _decode(item: Mapping[str, Any]) -> Interaction:
    one = Interaction(
        datetime.fromisoformat(item["at"]).timestamp(),
        ms=item.get("took_ms", 0.0),
        event_id=next(iter(item.get("ids", {}).get("event", ())), ""),
        **{name: item[name] for name in _FIELDS if name in item},
    )
    if not item.get("subscription"):
        return one
    applied = one.outcome == "applied"
    return replace(one, subscriptions={item["subscription"]: one.outcome}, outcome="ok" if applied else one.outcome)
