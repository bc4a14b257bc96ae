"""A sequence diagram of interactions, as coordinates for an SVG: the messages between services in order of time."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

_COLUMN: Final = 132
"""Pixels between two lifelines."""
_ROW: Final = 34
_HEAD: Final = 56
_MARGIN: Final = 40
"""Pixels for the part of a label that is longer than its arrow."""
_LABEL_LENGTH: Final = 38
DRAWN: Final = {"request", "forward", "call", "publish", "consume", "webhook", "step", "mail"}
"""A call is drawn once, as its caller sees it; `serve` is the same call in the callee."""
_ORDER: Final = (
    "client", "gateway", "auth", "seller", "product", "order", "simulator", "kafka", "admin", "notification",
    "analytics",
)  # fmt: skip
_GOOD: Final = frozenset({"ok", "applied", "duplicate", "sent", "stored"})


class Interaction(Struct):
    """A call, a request, an event or a step, as the API lists it."""

    at: datetime
    service: str
    kind: str
    name: str
    outcome: str
    took_ms: float
    caller: str = ""
    callee: str = ""
    attempt: int = 1
    status: int = 0
    reason: str = ""
    subscription: str = ""

    @property
    def failed(self) -> bool:
        """Whether the interaction failed."""
        return self.outcome not in _GOOD and self.kind not in {"step", "mail"}

    @property
    def notable(self) -> bool:
        """Whether it failed, or has a reason, such as that of a declined card."""
        return self.failed or bool(self.reason)


class Lifeline(Struct):
    """A participant, at its horizontal position."""

    name: str
    x: int


class Arrow(Struct):
    """A message between two lifelines, at its vertical position; `count` equal ones are drawn once."""

    y: int
    x1: int
    x2: int
    label: str
    kind: str
    failed: bool
    count: int = 1

    @property
    def middle(self) -> int:
        """The horizontal position of the label."""
        return (self.x1 + self.x2) // 2 if self.x1 != self.x2 else self.x1 + 14


class Diagram(Struct):
    """A diagram with its size in pixels."""

    width: int
    height: int
    lifelines: list[Lifeline]
    arrows: list[Arrow]
    head: int = _HEAD


def draw(interactions: Sequence[Interaction]) -> Diagram:
    """Return the diagram of interactions in order of time."""
    drawn = [one for one in interactions if one.kind in DRAWN]
    names = {one.caller or one.service for one in drawn} | {one.callee or one.service for one in drawn}
    ordered = sorted(names, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    places = {name: _MARGIN + _COLUMN // 2 + _COLUMN * number for number, name in enumerate(ordered)}
    arrows = list(_arrows(drawn, places))
    width, height = _COLUMN * max(len(ordered), 1) + 2 * _MARGIN, _HEAD + _ROW * (len(arrows) + 1)
    return Diagram(width, height, [Lifeline(name, x) for name, x in places.items()], arrows)


def _arrows(drawn: Iterable[Interaction], places: dict[str, int]) -> Iterable[Arrow]:
    last: tuple[str, str, str, str, str] | None = None
    arrow: Arrow | None = None
    row = 0
    for one in drawn:
        caller, callee = one.caller or one.service, one.callee or one.service
        key = (caller, callee, one.kind, one.name, one.outcome)
        if arrow is not None and key == last:
            arrow.count += 1
            continue
        if arrow is not None:
            yield arrow
        row, last = row + 1, key
        arrow = Arrow(_HEAD + _ROW * row, places[caller], places[callee], _label(one), one.kind, one.failed)
    if arrow is not None:
        yield arrow


def _label(one: Interaction) -> str:
    name = one.name if len(one.name) <= _LABEL_LENGTH else f"{one.name[: _LABEL_LENGTH - 1]}…"
    again = f" (attempt {one.attempt})" if one.attempt > 1 else ""
    outcome = f": {one.outcome}" if one.failed else ""
    return f"{name}{again}{outcome}"
