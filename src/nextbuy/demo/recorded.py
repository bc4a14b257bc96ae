"""The interactions that the marketplace recorded for one trace, decoded for the demo."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
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


_FIELDS: Final = tuple(Interaction.__dataclass_fields__)


def decode_interactions(items: Iterable[Mapping[str, Any]]) -> list[Interaction]:
    """Return interactions in the order in which they began; unknown fields are ignored.

    A consumed event came from the bus to the kafka service first, which is an interaction of its own here (`read`).
    """
    decoded = [Interaction(**{name: item[name] for name in _FIELDS if name in item}) for item in items]
    reads = [replace(each, kind="read", callee="kafka") for each in decoded if each.kind == "consume"]
    return sorted([*reads, *decoded], key=lambda interaction: interaction.at)
