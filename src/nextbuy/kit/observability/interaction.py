"""An interaction between client, services or bus, and the line that stands for it in the log.

A line has short field names and omits the usual values of its kind, because a checkout has some fifty lines.
"""

from typing import Any, Final, Literal, get_args

from msgspec import UNSET, Struct, UnsetType

NO_SPAN: Final = "0" * 16
Kind = Literal["request", "forward", "call", "serve", "publish", "consume", "step", "webhook"]
"""`serve` is the callee's own line of a `forward` or `call`, and has the same span."""


class Interaction(Struct, kw_only=True):
    """A message between client, services or bus; `at` is in seconds since the epoch, `ms` is its duration."""

    at: float
    kind: Kind
    caller: str
    callee: str
    name: str
    outcome: str
    ms: float
    trace_id: str
    span_id: str
    parent_id: str
    correlation_id: str
    status: int
    attempt: int
    ids: dict[str, list[str]]
    """The ids that it is about, by kind (`ids.py`)."""
    reason: str
    """For a failure: its text and causes. For an event on the bus: why its checkout ended."""
    links: list[str]
    """Other traces that it is work for."""
    subscriptions: dict[str, str]
    """For a consumed event: its outcome for each subscription of the callee."""
    carrier: str
    """For a published event: the engine of the bus that accepted it, `Redis Streams` or `Kafka`."""

    @property
    def logged_by(self) -> str:
        """The service that logged it."""
        if self.kind == "request":
            return "gateway"
        return self.callee if self.kind in {"serve", "consume"} else self.caller

    @property
    def is_untrusted(self) -> bool:
        """Whether a client sent it and it only reads or was refused: anyone can send it, with any ids, in any trace."""
        is_of_client = self.kind in {"request", "forward"} or (self.kind == "serve" and self.caller == "gateway")
        is_refused = FIRST_ERROR <= self.status < FIRST_FAILURE
        return is_of_client and (is_refused or any(f"{method} " in self.name for method in _READ_METHODS))

    @property
    def order(self) -> tuple[object, ...]:
        """The key by which a story is sorted: the time, then fields that distinguish interactions of the same time."""
        event_id = next(iter(self.ids.get("event", ())), "")
        return self.at, event_id, _KIND_ORDER[self.kind], self.span_id, self.callee


_KIND_ORDER: Final = {kind: index for index, kind in enumerate(get_args(Kind))}
BUS_PARTICIPANT: Final = "kafka"
"""Name of the bus in interactions: the specification's diagrams call it Kafka, whichever engine runs."""
APPLIED: Final = "applied"
"""The outcome of a subscription that a line leaves out if all of them have it."""
USUAL_ENDS: Final = {
    "request": ("client", "gateway"),
    "forward": ("gateway", ""),
    "serve": ("gateway", ""),
    "publish": ("", BUS_PARTICIPANT),
    "consume": (BUS_PARTICIPANT, ""),
    "webhook": ("simulator", "gateway"),
}
"""Caller and callee that a line of this kind leaves out."""
BEHIND_THE_GATEWAY: Final = frozenset({"forward", "serve", "call"})
FIRST_ERROR: Final = 400
"""The lowest HTTP status of an error."""
FIRST_FAILURE: Final = 500
"""The lowest HTTP status of a failure of the marketplace."""
REJECTED: Final = "rejected"
"""The outcome of an event that the bus rejects; it is parked."""
_READ_METHODS: Final = ("GET", "HEAD", "OPTIONS")
SLOW: Final = 1_000.0
"""Milliseconds from which an interaction counts as slow."""
SUCCESS: Final = 200
"""The status that a successful line of one of these kinds leaves out."""
_WITH_STATUS: Final = frozenset({"request", "forward", "call", "serve", "webhook"})


class InteractionLine(
    Struct,
    kw_only=True,
    omit_defaults=True,
    rename={
        "caller": "from",
        "callee": "to",
        "trace_id": "trace",
        "span_id": "span",
        "parent_id": "parent",
        "correlation_id": "request",
        "subscriptions": "subs",
        "carrier": "over",
    },
):
    """An interaction as one line of the log: short names, no default values, and single ids without a list."""

    at: float
    kind: Kind
    name: str
    ms: float = 0.0
    trace_id: str
    span_id: str = ""
    """Empty for `consume`: its event names the `publish` whose span it shares."""
    parent_id: str = NO_SPAN
    caller: str = ""
    callee: str = ""
    outcome: str = "ok"
    status: int = 0
    attempt: int = 1
    correlation_id: str = ""
    """The client's request id, in the gateway's line of the request; otherwise empty."""
    reason: str = ""
    subscriptions: dict[str, str] | list[str] | UnsetType = UNSET
    """A list of names if all have applied the event."""
    carrier: str = ""
    """For a published event: the engine of the bus."""
    links: tuple[str, ...] | UnsetType = UNSET
    ids: dict[str, Any] | UnsetType = UNSET

    def complete(self) -> Interaction:
        """Return the interaction with all its fields."""
        caller, callee = USUAL_ENDS.get(self.kind, ("", ""))
        usual = SUCCESS if self.outcome == "ok" and self.kind in _WITH_STATUS else 0
        subscriptions = self.subscriptions or {}
        if isinstance(subscriptions, list):
            subscriptions = dict.fromkeys(subscriptions, APPLIED)
        return Interaction(
            at=self.at,
            kind=self.kind,
            caller=self.caller or caller,
            callee=self.callee or callee,
            name=self.name,
            outcome=self.outcome,
            ms=self.ms,
            trace_id=self.trace_id,
            span_id=self.span_id,
            parent_id=self.parent_id,
            correlation_id=self.correlation_id or self.trace_id,
            status=self.status or usual,
            attempt=self.attempt,
            ids={kind: one if isinstance(one, list) else [one] for kind, one in (self.ids or {}).items()},
            reason=self.reason,
            links=list(self.links or ()),
            subscriptions=subscriptions,
            carrier=self.carrier,
        )
