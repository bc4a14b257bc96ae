"""What was agreed of every event, call and route, and what became of it: what breaks, and what is a version more."""

from dataclasses import dataclass, field
from typing import Any, Final

from nextbuy.contracts.values import Role
from tools.compatibility import Difference, compare, fields

Json = dict[str, Any]
KINDS: Final = ("events", "calls", "routes")


@dataclass
class Outcome:
    """What a comparison of the code with the history comes to."""

    history: Json
    """What the history is to be."""
    breaks: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def judge(agreed: Json, now: Json, *, since: str, listeners: dict[str, str]) -> Outcome:
    """Compare what is described `now` with the history that was `agreed`.

    Args:
        agreed: the history; empty where there is none yet.
        now: see `described`.
        since: the product's version, for what is added.
        listeners: see `readers`.
    """
    outcome = Outcome({kind: {} for kind in KINDS} | {"types": now["types"]})
    for kind in KINDS:
        before: Json = agreed.get(kind, {})
        for name, was in before.items():
            if name not in now[kind]:
                outcome.breaks.append(_gone(kind, name, was, now, listeners))
        for name, entry in now[kind].items():
            whom = _whom(kind, entry, listeners.get(name))
            was = before.get(name)
            versions = [] if was is None else list(was["versions"])
            if was is None:
                added = fields(entry["says" if kind == "events" else "takes"], now["types"])
                outcome.added.append(f"{name} is there.")
            else:
                found = _facts(kind, was, entry)
                for part in _DIRECTIONS:
                    _part(found, part, was, entry, (agreed["types"], now["types"]))
                added = found.added
                outcome.breaks += [f"{name}: {what}. {whom} {instead}." for what, instead in found.breaks]
                outcome.added += [f"{name}: {what}." for what in added]
                outcome.notes += [
                    f"{name}: {what}. {whom} Bring them up to date before anything says it." for what in found.later
                ]
                if kind == "calls":
                    first = f"Bring {name.partition('.')[0]} up to date before {', '.join(entry['callers'])}."
                    outcome.notes += [f"{name}: {what} is insisted on. {first}" for what in found.insisted]
            if was is None or added:
                versions.append({"version": len(versions) + 1, "since": since, "added": added})
            if kind == "events" and entry["schema_version"] != len(versions):
                outcome.breaks.append(_miscounted(name, entry, len(versions), added))
            outcome.history[kind][name] = entry | {"versions": versions}
    return outcome


_DIRECTIONS: Final = {"says": (True, True), "takes": (True, False), "gives": (False, True)}
"""An event is read by older services as they listen, and by newer ones from the log; see `tools.compatibility`."""


def _part(found: Difference, part: str, was: Json, entry: Json, types: tuple[Json, Json]) -> None:
    if part in was and part in entry:
        kept, read = _DIRECTIONS[part]
        more = compare(was[part], entry[part], *types, kept=kept, read=read)
        told = {"says": "", "takes": "", "gives": "the answer's "}[part]
        found.breaks += [(told + what, instead) for what, instead in more.breaks]
        found.added += [told + what for what in more.added]
        found.later += [told + what for what in more.later]
        found.insisted += [told + what for what in more.insisted]
    elif part in was:
        found.breaks.append(("there is no answer any more", "Answer as before"))
    elif part in entry:
        found.added.append("an answer")


def _facts(kind: str, was: Json, entry: Json) -> Difference:
    found = Difference()
    if kind == "events" and was["key"] != entry["key"]:
        found.breaks.append(
            (
                f"its order was kept per {was['key']} and is kept per {entry['key']}",
                "Keep the key; another order needs another event",
            )
        )
    if kind == "calls":
        _set(found, set(was["callers"]), set(entry["callers"]), "call it")
        if was["repeatable"] and not entry["repeatable"]:
            found.breaks.append(("it may not be repeated any more", "Keep it repeatable, or make another call"))
        elif entry["repeatable"] and not was["repeatable"]:
            found.added.append("it may be repeated")
    if kind == "routes":
        _set(found, _everybody(was["who"]), _everybody(entry["who"]), "use it")
        if was["status"] != entry["status"]:
            found.breaks.append((f"its status was {was['status']} and is {entry['status']}", "Keep the status"))
    return found


def _set(found: Difference, was: set[str], now: set[str], what: str) -> None:
    found.breaks += [(f"{one} may not {what} any more", "Let them") for one in sorted(was - now)]
    found.added += [f"{one} may {what}" for one in sorted(now - was)]


def _everybody(who: str | list[str]) -> set[str]:
    return {"anyone", *(role.value for role in Role)} if who == "anyone" else set(who)


def _whom(kind: str, entry: Json, listeners: str | None) -> str:
    if kind == "events":
        return (
            f"{listeners} and whoever replays the log must read it."
            if listeners
            else "Whoever replays the log must read it."
        )
    if kind == "calls":
        return f"{', '.join(entry['callers'])} may run an older version."
    return "Programs outside rely on it."


def _gone(kind: str, name: str, was: Json, now: Json, listeners: dict[str, str]) -> str:
    if kind == "events":
        topics = [topic for topic, entry in now["events"].items() if entry["class"] == was["class"]]
        what = f"{was['class']} goes by the topic {topics[0]}" if topics else "the event is gone"
        whom = _whom(kind, was, listeners.get(topics[0] if topics else name))
        return f"{name}: {what}. {whom} Keep it, and publish another event beside it."
    word = "call" if kind == "calls" else "address"
    return f"{name}: the {word} is gone. {_whom(kind, was, None)} Keep it, and add another {word} beside it."


def _miscounted(name: str, entry: Json, version: int, added: list[str]) -> str:
    because = f"it adds {', '.join(added)}" if added else "nothing was added"
    stated = f"its schema version is {entry['schema_version']}"
    return f"{name}: {because}, and {stated}. Say schema_version={version} in {entry['class']}."
