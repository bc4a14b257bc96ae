"""Recorded interactions as a mermaid sequence diagram: each at its beginning, and its reply at its end."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from nextbuy.demo.recorded import Interaction

PARTICIPANTS: Final = (
    "User",
    "Seller",
    "Admin",
    "Client",
    "Gateway",
    "OrderService",
    "ProductService",
    "AuthService",
    "SellerService",
    "AdminService",
    "PaymentSimulator",
    "Kafka",
    "KafkaService",
)
"""The participants of the specification, from left to right; others follow."""

_NAMES: Final = {"client": "Client", "gateway": "Gateway", "simulator": "PaymentSimulator"}
_WEBHOOK: Final = "payment-webhook"
_OUTER_TO_INNER: Final = ("webhook", "request", "forward", "call", "read", "consume", "publish", "step")
_JITTER: Final = 0.001
"""Seconds by which two clocks may differ."""
_EVENTS: Final = frozenset({"publish", "read", "consume"})
_API_PATH: Final = re.compile(r"^[A-Z]+ /[^/]+/api/")
_ID: Final = re.compile(r"(?<=/)[A-Za-z0-9._~-]*[0-9][A-Za-z0-9._~-]{11,}|(?<=/)[A-Za-z0-9._~-]{30,}")
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e\xa1-\U0010ffff]+")


def participants_of(one: Interaction, actors: Mapping[str, str]) -> tuple[str, str]:
    """Return source and target in the specification's names; `actors` maps requests to the people who made them."""
    source = "Kafka" if one.kind == "read" else _participant(one.caller)
    target = "Kafka" if one.kind == "publish" else _participant(one.callee)
    if one.kind == "request":
        source = actors.get(one.name, "PaymentSimulator" if one.name.endswith(_WEBHOOK) else source)
    return source, target


def sequence_diagram(recorded: Iterable[Interaction], actors: Mapping[str, str]) -> str:
    """Return the diagram as mermaid text, one statement per line."""
    shown = _without_duplicates(sorted(recorded, key=lambda one: one.at))
    present = {name for one in shown for name in participants_of(one, actors)}
    known = [name for name in PARTICIPANTS if name in present]
    lines = [f"    participant {name}" for name in [*known, *sorted(present - {*PARTICIPANTS})]]
    lines += [f"    {_arrow(one, actors, is_end=is_end)}" for one, is_end in _in_time(shown)]
    return "\n".join(["sequenceDiagram", *lines])


def label(one: Interaction) -> str:
    """Return a short name, safe for mermaid: long ids in a path become `{id}`."""
    text = _ID.sub("{id}", one.name)
    if one.kind == "step":
        text += f": {one.outcome}"
    elif one.kind == "consume":
        text = f"{one.name} ({', '.join(one.subscriptions)})"
    elif one.attempt > 1:
        text += f" (attempt {one.attempt})"
    return _safe(text)


def reply(one: Interaction) -> str:
    """Return the status, the reason of a failure, and the duration.

    The reply of an event names it, because the replies of a batch come at the same time.
    """
    words = [f"{one.name}:"] if one.kind in _EVENTS else []
    if one.status:
        words.append(str(one.status))
    if not one.ok or not one.status:
        words.append(one.outcome)
    return _safe(f"{' '.join(words)}, {one.ms:.1f} ms")


def proof(one: Interaction) -> str:
    """Return an interaction and its reply in short, without the service, which the arrow names."""
    if one.kind == "step":
        return f"{one.kind} {label(one)}"
    name = "" if one.kind in _EVENTS else f"{_API_PATH.sub('', label(one))}: "
    return f"{one.kind} {name}{reply(one)}"


def _safe(text: str) -> str:
    # Mermaid ends a statement at ";" and reads "#" as the start of an entity.
    return _UNPRINTABLE.sub(" ", text).replace("#", "#35\0").replace(";", "#59\0").replace("\0", ";")


def _participant(part: str) -> str:
    if part in _NAMES:
        return _NAMES[part]
    plain = "".join(word.capitalize() for word in re.findall(r"[A-Za-z0-9]+", part))
    return f"{plain or 'Unknown'}Service"


def _arrow(one: Interaction, actors: Mapping[str, str], *, is_end: bool) -> str:
    source, target = participants_of(one, actors)
    return f"{target}-->>{source}: {reply(one)}" if is_end else f"{source}->>{target}: {label(one)}"


def _without_duplicates(recorded: Sequence[Interaction]) -> list[Interaction]:
    """Drop what is the same arrow: the gateway's record of a webhook, and the reads of an event for each service."""
    reads = {one.event_id: one for one in recorded if one.kind == "read"}
    recorded = [one for one in recorded if one.kind != "read" or reads[one.event_id] is one]
    has_webhook = any(one.kind == "webhook" for one in recorded)
    return [one for one in recorded if not (has_webhook and one.kind == "request" and one.name.endswith(_WEBHOOK))]


def _in_time(recorded: Sequence[Interaction]) -> list[tuple[Interaction, bool]]:
    """Return each interaction twice, at its beginning and (true) at its end, in order of time.

    Interactions at the same time, or closer than clocks can tell, are nested as their calls are: a stable sort of a
    walk through the tree of calls keeps a call before the calls that it made, and its reply after theirs.
    """
    children = _children(recorded)
    walked: list[tuple[float, Interaction, bool]] = []

    def walk(place: int, earliest: float, latest: float) -> None:
        one = recorded[place]
        begins = min(max(one.at, earliest), latest)
        ends = max(begins, min(one.ends, latest))
        walked.append((begins, one, False))
        for child in children.get(place, []):
            walk(child, begins, ends)
        if one.kind != "step":
            walked.append((ends, one, True))

    for root in children[None]:
        walk(root, float("-inf"), float("inf"))
    return [(one, is_end) for _, one, is_end in sorted(walked, key=lambda mark: mark[0])]


def _children(recorded: Sequence[Interaction]) -> dict[int | None, list[int]]:
    """Return the children of each interaction, by index; the children of None are the roots.

    A child's caller is its parent's callee, and its time is within the parent's. A parent is longer than its child, or
    as long and of an outer kind, so that the result has no cycle.
    """
    by_length = sorted(
        range(len(recorded)), key=lambda place: (-recorded[place].ms, _OUTER_TO_INNER.index(_kind(recorded[place])))
    )
    children: dict[int | None, list[int]] = {None: []}
    for rank, place in enumerate(by_length):
        one = recorded[place]
        parent = next((other for other in reversed(by_length[:rank]) if _holds(recorded[other], one)), None)
        children.setdefault(parent, []).append(place)
    for places in children.values():
        places.sort(key=lambda place: (recorded[place].at, place))
    return children


def _kind(one: Interaction) -> str:
    return one.kind if one.kind in _OUTER_TO_INNER else "call"


def _holds(outer: Interaction, inner: Interaction) -> bool:
    if outer.kind in {"publish", "step"} or inner.kind in _EVENTS:
        return False  # No caller waits for an event.
    return outer.callee == inner.caller and outer.at - _JITTER <= inner.at and inner.ends <= outer.ends + _JITTER
