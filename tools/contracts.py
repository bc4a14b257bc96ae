"""What was agreed between services, and with the world outside, may grow, and does nothing else.

Every event, call and public route has its form in `src/nextbuy/contracts/history.json`, with what each of its versions
added. Without words this compares the code to it; `--accept` (`make contracts`) takes what was added into it, and
refuses what would break somebody.
"""

import json
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from nextbuy.contracts.catalogue import CALLS, EVENTS
from nextbuy.contracts.message import Call, Event
from nextbuy.contracts.values import Role
from nextbuy.host.table import ENTRIES
from nextbuy.kit.examples import example
from nextbuy.kit.meanings import meanings
from nextbuy.kit.openapi import Schemas, reply_of
from nextbuy.kit.service import Service
from tools.compatibility import Difference, Json, compare, fields

ROOT: Final = Path(__file__).resolve().parent.parent
HISTORY: Final = ROOT / "src" / "nextbuy" / "contracts" / "history.json"
KINDS: Final = ("events", "calls", "routes")


def described(services: Sequence[Service], events: Sequence[type[Event]], calls: Sequence[type[Call[Any]]]) -> Json:
    """Return every event, call and public route as other programs rely on it."""
    schemas = Schemas()
    routes = [(service.name, route) for service in services for route in service.routes]
    for kind in [*events, *calls, *(call.reply for call in calls)]:
        schemas.want(kind)
    for _, route in routes:
        schemas.want(route.ask)
        schemas.want(reply_of(route))
    schemas.make()
    return {
        "events": {
            event.topic: {
                "class": event.__name__,
                "key": event.key,
                "schema_version": event.schema_version,
                "says": schemas.of(event),
            }
            for event in events
        },
        "calls": {
            f"{call.to}.{call.name}": {
                "callers": sorted(call.callers),
                "repeatable": call.repeatable,
                "takes": schemas.of(call),
                "gives": schemas.of(call.reply),
            }
            for call in calls
        },
        "routes": {
            f"{route.method} /{service}/api/{route.path}": {
                "who": "anyone" if route.who is None else sorted(role.value for role in route.who),
                "status": route.status,
                "takes": schemas.of(route.ask),
            }
            | ({} if reply_of(route) is None else {"gives": schemas.of(reply_of(route))})
            for service, route in routes
        },
        "types": {name: _without_prose(schema) for name, schema in schemas.components.items()},
    }


def readers(services: Sequence[Service]) -> dict[str, str]:
    """Return, by topic, which services listen to it, and by what."""
    found: dict[str, dict[str, list[str]]] = {}
    for service in services:
        for listening in service.listens:
            for event in listening.events:
                found.setdefault(event.topic, {}).setdefault(service.name, []).append(listening.name)
    return {
        topic: ", ".join(f"{name} ({', '.join(sorted(acts))})" for name, acts in sorted(by_service.items()))
        for topic, by_service in found.items()
    }


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


def unfit(kinds: Iterable[Any]) -> list[str]:
    """Return which types the examples in the documents do not fit."""
    schemas = Schemas()
    wanted = list(dict.fromkeys(kinds))
    for kind in wanted:
        schemas.want(kind)
    schemas.make()
    found = []
    for kind in wanted:
        try:
            msgspec.convert(example(schemas.of(kind), schemas.components), kind)
        except msgspec.ValidationError as error:
            name = getattr(kind, "__name__", kind)
            found.append(f"{name}: its example does not fit ({error}). Say one in the type: Meta(examples=[…]).")
    return found


def unsaid(events: Sequence[type[Event]]) -> list[str]:
    """Return what the page of events could not say: what a field means."""
    return [
        f"{event.topic}: nobody says what {name} means. Write a string below the field in {event.__name__}."
        for event in events
        for name in sorted(set(event.__struct_fields__) - meanings(event).keys())
    ]


def _without_prose(schema: Json) -> Json:
    """Return a schema without its descriptions, which may be mended at any time."""
    return {
        key: {name: _without_prose(one) for name, one in value.items()}
        if key == "properties"
        else _without_prose(value)
        if isinstance(value, dict) and key in {"items", "additionalProperties"}
        else [_without_prose(one) for one in value]
        if key in {"anyOf", "oneOf", "prefixItems"}
        else value
        for key, value in schema.items()
        if key != "description"
    }


def main(words: Sequence[str]) -> int:
    """Compare, or with `--accept` take what was added into the history; say with the exit code whether all is well."""
    services = [entry.service for entry in ENTRIES.values()]
    since = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    try:
        agreed = json.loads(HISTORY.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        print(
            f"{HISTORY.relative_to(ROOT)} cannot be read ({error}). Take it from the main branch; then: make contracts"
        )
        return 1
    now = json.loads(json.dumps(described(services, EVENTS, CALLS)))
    outcome = judge(agreed, now, since=since, listeners=readers(services))
    routes = [route for service in services for route in service.routes]
    replies = [reply for reply in [*(call.reply for call in CALLS), *map(reply_of, routes)] if reply is not None]
    wrong = outcome.breaks + unsaid(EVENTS) + unfit([*EVENTS, *CALLS, *(route.ask for route in routes), *replies])
    if wrong:
        print(*wrong, sep="\n")
        return 1
    if outcome.history == agreed:
        return 0
    accept = "--accept" in words
    if accept:
        HISTORY.write_text(json.dumps(outcome.history, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        last = f"{HISTORY.relative_to(ROOT)} has it; commit both together."
    else:
        last = "The code says this, and the history of contracts does not. To accept it: make contracts"
    print(*outcome.added, *outcome.notes, last, sep="\n")
    return 0 if accept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
