"""The interactions that the marketplace recorded for one trace, decoded for the demo."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
    """Return interactions in the order in which they began; unknown fields are ignored."""
    decoded = [Interaction(**{field: item[field] for field in _FIELDS if field in item}) for item in items]
    return sorted(decoded, key=lambda interaction: interaction.at)
