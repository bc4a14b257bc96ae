"""Mermaid sequence diagrams of recorded interactions: an arrow where each begins, a reply where it ends."""

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
"""The participants in the specification's diagrams, from left to right; others follow."""

_NAMES: Final = {"client": "Client", "gateway": "Gateway", "simulator": "PaymentSimulator"}
_WEBHOOK: Final = "payment-webhook"
_OUTER_TO_INNER: Final = ("webhook", "request", "forward", "call", "read", "consume", "publish", "step")
_SKEW: Final = 0.001
"""Seconds by which two clocks may differ."""
_EVENTS: Final = frozenset({"publish", "read", "consume"})
_API_PATH: Final = re.compile(r"^[A-Z]+ /[^/]+/api/")
_ID: Final = re.compile(r"(?<=/)[A-Za-z0-9._~-]*[0-9][A-Za-z0-9._~-]{11,}|(?<=/)[A-Za-z0-9._~-]{30,}")
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e\xa1-\U0010ffff]+")


def participants_of(interaction: Interaction, actors: Mapping[str, str]) -> tuple[str, str]:
    """Return source and target by the specification's names; `actors` maps requests to the people who made them."""
    source = "Kafka" if interaction.kind == "read" else _participant(interaction.caller)
    target = "Kafka" if interaction.kind == "publish" else _participant(interaction.callee)
    if interaction.kind == "request":
        source = actors.get(interaction.name, "PaymentSimulator" if interaction.name.endswith(_WEBHOOK) else source)
    return source, target


def sequence_diagram(recorded: Iterable[Interaction], actors: Mapping[str, str]) -> str:
    """Return the diagram as mermaid text, one statement per line."""
    shown = _without_duplicates(sorted(recorded, key=lambda interaction: (interaction.at, _depth(interaction))))
    present = {name for interaction in shown for name in participants_of(interaction, actors)}
    known = [name for name in PARTICIPANTS if name in present]
    aliases = {"Kafka": _bus_alias(shown)}
    names = [*known, *sorted(present - {*PARTICIPANTS})]
    lines = [f"    participant {name}{aliases.get(name, '')}" for name in names]
    lines += [f"    {_arrow(interaction, actors, is_end=is_end)}" for interaction, is_end in _by_time(shown)]
    return "\n".join(["sequenceDiagram", *lines])


def _bus_alias(recorded: Iterable[Interaction]) -> str:
    """Return an alias of the specification's bus that names the real carrier, or an empty string if that is Kafka."""
    carriers = sorted({interaction.carrier for interaction in recorded if interaction.carrier} - {"Kafka"})
    return f" as Kafka ({_safe(', '.join(carriers))})" if carriers else ""


def label(interaction: Interaction) -> str:
    """Return a short name, safe for mermaid: long ids in a path become `{id}`."""
    text = _ID.sub("{id}", interaction.name)
    if interaction.kind == "step":
        text += f": {interaction.outcome}"
    elif interaction.kind == "consume":
        text = f"{interaction.name} ({', '.join(interaction.subscriptions)})"
    elif interaction.attempt > 1:
        text += f" (attempt {interaction.attempt})"
    return _safe(text)


def reply(interaction: Interaction) -> str:
    """Return the status, the reason of a failure, and the duration.

    The reply of an event names it, because the replies of a batch come at the same time.
    """
    parts = [f"{interaction.name}:"] if interaction.kind in _EVENTS else []
    if interaction.status:
        parts.append(str(interaction.status))
    if not interaction.ok or not interaction.status:
        parts.append(interaction.outcome)
    return _safe(f"{' '.join(parts)}, {interaction.ms:.1f} ms")


def proof(interaction: Interaction) -> str:
    """Return an interaction and its reply in short, without the service, which the arrow names."""
    if interaction.kind == "step":
        return f"{interaction.kind} {label(interaction)}"
    name = "" if interaction.kind in _EVENTS else f"{_API_PATH.sub('', label(interaction))}: "
    carrier = f", over {_safe(interaction.carrier)}" if interaction.carrier else ""
    return f"{interaction.kind} {name}{reply(interaction)}{carrier}"


def _safe(text: str) -> str:
    # Mermaid ends a statement at ";" and reads "#" as the start of an entity.
    return _UNPRINTABLE.sub(" ", text).replace("#", "#35\0").replace(";", "#59\0").replace("\0", ";")


def _participant(part: str) -> str:
    if part in _NAMES:
        return _NAMES[part]
    plain = "".join(word.capitalize() for word in re.findall(r"[A-Za-z0-9]+", part))
    return f"{plain or 'Unknown'}Service"


def _arrow(interaction: Interaction, actors: Mapping[str, str], *, is_end: bool) -> str:
    source, target = participants_of(interaction, actors)
    return f"{target}-->>{source}: {reply(interaction)}" if is_end else f"{source}->>{target}: {label(interaction)}"


def _without_duplicates(recorded: Sequence[Interaction]) -> list[Interaction]:
    """Drop what is the same arrow: the line of a callee, and the gateway's of a webhook."""
    recorded = [each for each in recorded if each.kind != "serve"]
    has_webhook = any(each.kind == "webhook" for each in recorded)
    return [each for each in recorded if not (has_webhook and each.kind == "request" and each.name.endswith(_WEBHOOK))]


def _by_time(recorded: Sequence[Interaction]) -> list[tuple[Interaction, bool]]:
    """Return each interaction twice, at its beginning and (true) at its end, in order of time.

    Interactions at the same time, or closer than clocks can tell apart, are nested as their calls are: a stable sort
    of a walk through the tree of calls keeps a call before the calls that it made, and its reply after theirs.
    """
    children = _children(recorded)
    marks: list[tuple[float, Interaction, bool]] = []

    def walk(index: int, earliest: float, latest: float) -> None:
        interaction = recorded[index]
        begins = min(max(interaction.at, earliest), latest)
        ends = max(begins, min(interaction.ends, latest))
        marks.append((begins, interaction, False))
        for child in children.get(index, []):
            walk(child, begins, ends)
        if interaction.kind != "step":
            marks.append((ends, interaction, True))

    for root in children[None]:
        walk(root, float("-inf"), float("inf"))
    return [(interaction, is_end) for _, interaction, is_end in sorted(marks, key=lambda mark: mark[0])]


def _children(recorded: Sequence[Interaction]) -> dict[int | None, list[int]]:
    """Return the children of each interaction, by index; the children of None are the roots.

    A child's caller is its parent's callee, and its time is within the parent's. A parent is longer than its child, or
    as long and of an outer kind, so that the result has no cycle.
    """
    by_length = sorted(range(len(recorded)), key=lambda index: (-recorded[index].ms, _depth(recorded[index])))
    children: dict[int | None, list[int]] = {None: []}
    for rank, index in enumerate(by_length):
        interaction = recorded[index]
        parent = next((other for other in reversed(by_length[:rank]) if _encloses(recorded[other], interaction)), None)
        children.setdefault(parent, []).append(index)
    for siblings in children.values():
        siblings.sort(key=lambda index: (recorded[index].at, index))
    return children


def _depth(interaction: Interaction) -> int:
    return _OUTER_TO_INNER.index(interaction.kind if interaction.kind in _OUTER_TO_INNER else "call")


def _encloses(outer: Interaction, inner: Interaction) -> bool:
    if outer.kind == "read" and inner.kind == "consume":
        return outer.event_id == inner.event_id
    if outer.kind in {"publish", "step"} or inner.kind in _EVENTS:
        return False  # No caller waits for an event.
    return outer.callee == inner.caller and outer.at - _SKEW <= inner.at and inner.ends <= outer.ends + _SKEW
