"""The rows of a story: one per interaction, with its participants, description, duration, and reason of failure."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from nextbuy.kit.observability.interaction import BEHIND_THE_GATEWAY, BUS_PARTICIPANT, FIRST_ERROR, Interaction

_BUS: Final = "bus"
_REFUND: Final = "refunded"
"""End of the topics about completed refunds: their reason reports no failure."""
_DECLINED: Final = "payment.declined"
_INNER_KIND: Final = {"webhook": "request", "request": "forward", "forward": "call"}
"""The kind of the inner interaction from which each kind passes on a failure."""


class StoryRow(Struct):
    """An interaction as its caller logged it, and as its callee did if that line has the same outcome."""

    interaction: Interaction
    served: Interaction | None
    participants: str
    description: str
    reason: str
    """Why it failed, from the innermost line with a reason."""
    has_cause: bool
    """Whether another row, of an interaction within this one, has the same failure."""

    @property
    def began(self) -> float:
        """When it began, in seconds since the epoch."""
        return self.interaction.at

    @property
    def ended(self) -> float:
        """When it ended, in seconds since the epoch."""
        return self.began + self.interaction.ms / 1000

    @property
    def name(self) -> str:
        """Its description, without the number of the attempt."""
        return plain(_name(self.interaction))

    @property
    def failure(self) -> str:
        """Its outcome and reason if it failed, otherwise an empty string."""
        one = self.interaction
        if not _failed(one):
            return ""
        if one.kind == "step" or is_published(one):
            return self.reason
        status = f"{one.status} " if one.status else ""
        outcomes = [f"{name} {outcome}" for name, outcome in one.subscriptions.items() if outcome != "applied"]
        return plain(f"{status}{', '.join(outcomes) or one.outcome}") + _because(self.reason)

    @property
    def outcome(self) -> str:
        """Its duration and its outcome."""
        one = self.interaction
        if one.kind == "step":
            return f"FAILED {self.failure}" if self.failure else ""
        took = f"{one.ms:.1f} ms"
        if self.served is not None:
            took += f" ({self.served.ms:.1f} in {plain(one.callee)})"
        if self.failure:
            return f"{took}  {'DECLINED' if one.name == _DECLINED and is_published(one) else 'FAILED'} {self.failure}"
        status = f"{one.status} " if one.status else ""
        return f"{took}  {status}{plain(one.outcome)}{_because(self.reason)}"


def rows_of(story: Sequence[Interaction]) -> list[StoryRow]:
    """Return the rows of a story, in its order. The lines of a caller and of its callee are one row if they agree."""
    lines = _Lines(story)
    return [lines.row(one) for one in story if not lines.is_shown_by_caller(one)]


class _Lines:
    """The lines of a story by span, of callers in `_sent` and of callees in `_served`."""

    def __init__(self, story: Sequence[Interaction]) -> None:
        self._sent = {(one.trace_id, one.span_id): one for one in story if one.kind not in {"serve", "consume"}}
        self._served = {(one.trace_id, one.span_id): one for one in story if one.kind == "serve"}
        self._inner: dict[tuple[str, str], list[Interaction]] = defaultdict(list)
        """The interactions within another, by its trace and span."""
        for one in story:
            if one.kind in BEHIND_THE_GATEWAY | {"request"}:
                self._inner[one.trace_id, one.parent_id].append(one)
        self._numbers = {
            one.ids["order"][0]: one.ids["number"][0]
            for one in story
            if len(one.ids.get("order", ())) == len(one.ids.get("number", ())) == 1
        }
        """The numbers of orders by their ids."""

    def is_shown_by_caller(self, one: Interaction) -> bool:
        sent = self._sent_of(one)
        return sent is not None and sent.outcome == one.outcome

    def row(self, one: Interaction) -> StoryRow:
        served = self._served_of(one)
        cause = self._cause_of(one)
        return StoryRow(
            interaction=one,
            served=served if served is not None and served.outcome == one.outcome else None,
            participants=plain(self._participants_of(one)),
            description=plain(self._description_of(one)),
            reason=plain(self._reason_of(one)),
            has_cause=cause is not None,
        )

    def _sent_of(self, one: Interaction) -> Interaction | None:
        sent = self._sent.get((one.trace_id, one.span_id)) if one.kind == "serve" else None
        return sent if sent is not None and sent.callee == one.callee else None

    def _served_of(self, one: Interaction) -> Interaction | None:
        served = self._served.get((one.trace_id, one.span_id)) if one.kind in {"forward", "call"} else None
        return served if served is not None and served.callee == one.callee else None

    def _cause_of(self, one: Interaction) -> Interaction | None:
        """Return the interaction within a failed one that failed in the same way."""
        if one.kind not in _INNER_KIND or not _failed(one):
            return None
        for inner in reversed(self._inner[one.trace_id, one.span_id]):
            same = inner.outcome == one.outcome if inner.kind == "call" else inner.status == one.status
            if inner.kind == _INNER_KIND[one.kind] and same:
                return inner
        return None

    def _reason_of(self, one: Interaction) -> str:
        served, cause = self._served_of(one), self._cause_of(one)
        if one.reason or not _failed(one):
            return one.reason
        if served is not None and served.outcome == one.outcome:
            return served.reason
        return self._reason_of(cause) if cause is not None else ""

    def _participants_of(self, one: Interaction) -> str:
        caller, callee = one.caller, one.callee
        if caller == callee:
            return caller
        if one.kind == "publish":
            return f"{caller} → {_BUS} ({one.carrier})" if one.carrier else f"{caller} → {_BUS}"
        if one.kind == "consume" and caller == BUS_PARTICIPANT:
            caller = _BUS
        parent = self._sent.get((one.trace_id, one.parent_id))
        if one.kind == "request" and parent is not None and parent.kind == "webhook":
            caller = parent.caller
        return f"{caller} → {callee}"

    def _description_of(self, one: Interaction) -> str:
        sent = self._sent_of(one)
        if sent is not None:
            return f"late reply to attempt {sent.attempt}: {one.name}"
        if one.kind == "serve":
            return f"{one.name} (in {one.callee})"
        number = self._numbers.get(one.ids["order"][0]) if len(one.ids.get("order", ())) == 1 else None
        name = _name(one, number if len(self._numbers) > 1 else None)
        return name + (f" (attempt {one.attempt})" if one.attempt > 1 else "")


def is_published(one: Interaction) -> bool:
    """Return whether it is an event that the bus has accepted."""
    return one.kind == "publish" and one.outcome == "ok"


def _name(one: Interaction, number: str | None = None) -> str:
    of = f" of {number}" if number else ""
    match one.kind:
        case "publish":
            return f"event {one.name}{of}"
        case "consume":
            return f"event {one.name}{of} for {', '.join(one.subscriptions)}"
        case "step":
            return f"{one.name}: {one.outcome}"
        case "webhook":
            return f"webhook {one.name}"
        case _:
            return one.name


def _failed(one: Interaction) -> bool:
    if is_published(one):
        return bool(one.reason) and not one.name.endswith(_REFUND)
    if one.kind == "step":
        return bool(one.reason)
    return one.outcome != "ok" or one.status >= FIRST_ERROR


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def clock_time(at: float) -> str:
    """Return a time of day in UTC, to the millisecond."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S.%f}"[:12]


def duration(seconds: float) -> str:
    """Return a duration with its unit, rounded for people."""
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.1f} s"


def plain(text: str) -> str:
    """Return a text without control characters, which could move the cursor or write another line."""
    return "".join(character if character.isprintable() else " " for character in text)
