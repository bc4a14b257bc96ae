"""Draws what was recorded as a mermaid sequence diagram: each interaction at its begin, its answer at its end."""

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
"""Those that the specification names, from left to right; what else there is comes behind them."""

_NAMES: Final = {"client": "Client", "gateway": "Gateway", "simulator": "PaymentSimulator"}
_WEBHOOK: Final = "payment-webhook"
_OUTERMOST_FIRST: Final = ("webhook", "request", "forward", "call", "consume", "publish", "step")
_JITTER: Final = 0.001
"""Seconds by which the two ends of something may be off when they were read from two clocks."""
_EVENTS: Final = frozenset({"publish", "consume"})
_ADDRESS: Final = re.compile(r"^[A-Z]+ /[^/]+/api/")
_ID: Final = re.compile(r"(?<=/)[A-Za-z0-9._~-]*[0-9][A-Za-z0-9._~-]{11,}|(?<=/)[A-Za-z0-9._~-]{30,}")
_NOT_SHOWN: Final = re.compile(r"[^\x20-\x7e\xa1-\U0010ffff]+")


def ends_of(one: Interaction, actors: Mapping[str, str]) -> tuple[str, str]:
    """Return who spoke to whom, in the specification's names; `actors` says for a request as whom it was made."""
    if one.kind == "request":
        stranger = "PaymentSimulator" if one.name.endswith(_WEBHOOK) else _named(one.caller)
        return actors.get(one.name, stranger), _named(one.callee)
    if one.kind == "publish":
        return _named(one.caller), "Kafka"
    if one.kind == "consume":
        return "Kafka", _named(one.callee)
    return _named(one.caller), _named(one.callee)


def sequence_diagram(recorded: Iterable[Interaction], actors: Mapping[str, str]) -> str:
    """Return the diagram as mermaid text, one statement a line."""
    shown = _without_echoes(sorted(recorded, key=lambda one: one.at))
    present = {name for one in shown for name in ends_of(one, actors)}
    known = [name for name in PARTICIPANTS if name in present]
    lines = [f"    participant {name}" for name in [*known, *sorted(present - {*PARTICIPANTS})]]
    lines += [f"    {_arrow(one, actors, is_end=is_end)}" for one, is_end in _in_time(shown)]
    return "\n".join(["sequenceDiagram", *lines])


def label(one: Interaction) -> str:
    """Return what was said, short and safe for mermaid: long ids in an address become `{id}`."""
    text = _ID.sub("{id}", one.name)
    if one.kind == "step":
        text += f": {one.outcome}"
    elif one.attempt > 1:
        text += f" (attempt {one.attempt})"
    return _safe(text)


def answer(one: Interaction) -> str:
    """Return how it ended: the status where there is one, the reason where it is bad, and the time it took.

    An event's answer names it: those of one batch all come at the same time.
    """
    words = [f"{one.name}:"] if one.kind in _EVENTS else []
    if one.status:
        words.append(str(one.status))
    if not one.good or not one.status:
        words.append(one.outcome)
    return _safe(f"{' '.join(words)}, {one.ms:.1f} ms")


def proof(one: Interaction) -> str:
    """Return both in short: what it was, without the service that an arrow names already, and how it ended."""
    if one.kind == "step":
        return f"{one.kind} {label(one)}"
    said = "" if one.kind in _EVENTS else f"{_ADDRESS.sub('', label(one))}: "
    return f"{one.kind} {said}{answer(one)}"


def _safe(text: str) -> str:
    # Mermaid ends a statement at ";" and reads "#" as the begin of an entity.
    return _NOT_SHOWN.sub(" ", text).replace("#", "#35\0").replace(";", "#59\0").replace("\0", ";")


def _named(part: str) -> str:
    if part in _NAMES:
        return _NAMES[part]
    plain = "".join(word.capitalize() for word in re.findall(r"[A-Za-z0-9]+", part))
    return f"{plain or 'Unknown'}Service"


def _arrow(one: Interaction, actors: Mapping[str, str], *, is_end: bool) -> str:
    source, target = ends_of(one, actors)
    return f"{target}-->>{source}: {answer(one)}" if is_end else f"{source}->>{target}: {label(one)}"


def _without_echoes(recorded: Sequence[Interaction]) -> list[Interaction]:
    """Leave out the gateway's own record of a webhook where the sender has recorded it: it is the same arrow."""
    told = any(one.kind == "webhook" for one in recorded)
    return [one for one in recorded if not (told and one.kind == "request" and one.name.endswith(_WEBHOOK))]


def _in_time(recorded: Sequence[Interaction]) -> list[tuple[Interaction, bool]]:
    """Return each interaction twice, at its begin and (true) at its end, in order of time.

    What is recorded at the same time, or so close that it only looks out of order, keeps the order of who asked whom: a
    stable sort of a walk through the tree of askers leaves a question before those that it led to, and its answer
    behind theirs.
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
    """Return for each place those that were asked from within it, and for None those that began by themselves.

    Something is within another when the one who was asked there is the one who asks here, during that time. Only what
    is longer can hold it (at equal length what is further outside), so that nothing ever holds itself.
    """
    by_length = sorted(
        range(len(recorded)), key=lambda place: (-recorded[place].ms, _OUTERMOST_FIRST.index(_kind(recorded[place])))
    )
    children: dict[int | None, list[int]] = {None: []}
    for rank, place in enumerate(by_length):
        one = recorded[place]
        holder = next((other for other in reversed(by_length[:rank]) if _holds(recorded[other], one)), None)
        children.setdefault(holder, []).append(place)
    for places in children.values():
        places.sort(key=lambda place: (recorded[place].at, place))
    return children


def _kind(one: Interaction) -> str:
    return one.kind if one.kind in _OUTERMOST_FIRST else "call"


def _holds(outer: Interaction, inner: Interaction) -> bool:
    if outer.kind in {"publish", "step"} or inner.kind in _EVENTS:
        return False  # An event goes its own way: nobody waits for it.
    return outer.callee == inner.caller and outer.at - _JITTER <= inner.at and inner.ends <= outer.ends + _JITTER
