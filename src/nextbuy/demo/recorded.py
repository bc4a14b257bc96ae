"""What the marketplace recorded of one request, as the demo reads it back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_FIRST_REFUSAL: Final = 400


@dataclass(frozen=True)
class Interaction:
    """One thing that one part of the marketplace said to another; `at` in seconds, `ms` in milliseconds."""

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
        """When it ended, in seconds."""
        return self.at + self.ms / 1000

    @property
    def good(self) -> bool:
        """Whether it ended well; a step has no bad end."""
        if self.kind == "step":
            return True
        return self.status < _FIRST_REFUSAL if self.status else self.outcome == "ok"


_FIELDS: Final = tuple(Interaction.__dataclass_fields__)


def interactions(written: Iterable[Mapping[str, Any]]) -> list[Interaction]:
    """Return what was recorded in the order of its begin; fields that the demo does not know are left out."""
    read = [Interaction(**{field: one[field] for field in _FIELDS if field in one}) for one in written]
    return sorted(read, key=lambda one: one.at)
