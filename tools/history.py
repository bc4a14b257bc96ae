"""Compare the contracts of the code with their history: what breaks, and which versions are new."""

from dataclasses import dataclass, field
from typing import Any, Final

from nextbuy.contracts.values import Role
from tools.compatibility import Difference, compare, fields

Json = dict[str, Any]
KINDS: Final = ("events", "calls", "routes")


@dataclass
class Outcome:
    """The result of a comparison of the code with the history."""

    history: Json
    """The history with the additions."""
    breaks: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def judge(agreed: Json, now: Json, *, since: str, listeners: dict[str, str]) -> Outcome:
    """Compare what is described `now` with the history that was `agreed`.

    Args:
        agreed: the history; empty before the first one is written.
        now: see `described`.
        since: the version of the product that contains the additions.
        listeners: see `readers`.
    """
    outcome = Outcome({kind: {} for kind in KINDS} | {"types": now["types"]})
    for kind in KINDS:
        before: Json = agreed.get(kind, {})
        for name, was in before.items():
            if name not in now[kind]:
                outcome.breaks.append(_removed(kind, name, was, now, listeners))
        for name, entry in now[kind].items():
            readers = _readers(kind, entry, listeners.get(name))
            was = before.get(name)
            versions = [] if was is None else list(was["versions"])
            if was is None:
                added = fields(entry["schema" if kind == "events" else "request"], now["types"])
                outcome.added.append(f"{name} is new.")
            else:
                found = _facts(kind, was, entry)
                for part in _DIRECTIONS:
                    _part(found, part, was, entry, (agreed["types"], now["types"]))
                added = found.added
                outcome.breaks += [f"{name}: {what}. {readers} {instead}." for what, instead in found.breaks]
                outcome.added += [f"{name}: {what}." for what in added]
                outcome.notes += [
                    f"{name}: {what}. {readers} Update them before anything sends it." for what in found.unreadable
                ]
                if kind == "calls":
                    first = f"Update {name.partition('.')[0]} before {', '.join(entry['callers'])}."
                    outcome.notes += [f"{name}: new callers require {what}. {first}" for what in found.required]
            if was is None or added:
                versions.append({"version": len(versions) + 1, "since": since, "added": added})
            if kind == "events" and entry["schema_version"] != len(versions):
                outcome.breaks.append(_miscounted(name, entry, len(versions), added))
            outcome.history[kind][name] = entry | {"versions": versions}
    return outcome


_DIRECTIONS: Final = {"schema": (True, True), "request": (True, False), "reply": (False, True)}
"""Backward and forward compatibility, which `tools.compatibility` explains."""


def _part(found: Difference, part: str, was: Json, entry: Json, types: tuple[Json, Json]) -> None:
    if part in was and part in entry:
        backward, forward = _DIRECTIONS[part]
        more = compare(was[part], entry[part], *types, backward=backward, forward=forward)
        prefix = "the reply's " if part == "reply" else ""
        found.breaks += [(prefix + what, instead) for what, instead in more.breaks]
        found.added += [prefix + what for what in more.added]
        found.unreadable += [prefix + what for what in more.unreadable]
        found.required += [prefix + what for what in more.required]
    elif part in was:
        found.breaks.append(("the reply was removed", "Keep the reply"))
    elif part in entry:
        found.added.append("a reply")


def _facts(kind: str, was: Json, entry: Json) -> Difference:
    found = Difference()
    if kind == "events" and was["key"] != entry["key"]:
        found.breaks.append(
            (f"its key changed from {was['key']} to {entry['key']}", "Keep the key, or add a new event")
        )
    if kind == "calls":
        _set(found, set(was["callers"]), set(entry["callers"]), "call it")
        if was["idempotent"] and not entry["idempotent"]:
            found.breaks.append(("it is no longer idempotent", "Keep it idempotent, or add a new call"))
        elif entry["idempotent"] and not was["idempotent"]:
            found.added.append("it is idempotent")
    if kind == "routes":
        _set(found, _roles(was["roles"]), _roles(entry["roles"]), "use it")
        if was["status"] != entry["status"]:
            found.breaks.append((f"its status changed from {was['status']} to {entry['status']}", "Keep the status"))
    return found


def _set(found: Difference, was: set[str], now: set[str], what: str) -> None:
    found.breaks += [(f"{name} may no longer {what}", "Keep the permission") for name in sorted(was - now)]
    found.added += [f"{name} may {what}" for name in sorted(now - was)]


def _roles(roles: str | list[str]) -> set[str]:
    return {"anyone", *(role.value for role in Role)} if roles == "anyone" else set(roles)


def _readers(kind: str, entry: Json, listeners: str | None) -> str:
    if kind == "events":
        return (
            f"{listeners} and replays of the event log must read it."
            if listeners
            else "Replays of the event log must read it."
        )
    if kind == "calls":
        return f"{', '.join(entry['callers'])} may run an older version."
    return "Clients rely on it."


def _removed(kind: str, name: str, was: Json, now: Json, listeners: dict[str, str]) -> str:
    if kind == "events":
        topics = [topic for topic, entry in now["events"].items() if entry["class"] == was["class"]]
        what = f"the topic of {was['class']} changed to {topics[0]}" if topics else "the event was removed"
        readers = _readers(kind, was, listeners.get(topics[0] if topics else name))
        return f"{name}: {what}. {readers} Keep it, and add a new event."
    word = "call" if kind == "calls" else "route"
    return f"{name}: the {word} was removed. {_readers(kind, was, None)} Keep it, and add a new {word}."


def _miscounted(name: str, entry: Json, version: int, added: list[str]) -> str:
    because = f"it adds {', '.join(added)}" if added else "nothing was added"
    stated = f"its schema version is {entry['schema_version']}"
    return f"{name}: {because}, but {stated}. Set schema_version={version} in {entry['class']}."
