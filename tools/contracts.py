"""Check that contracts only grow: events, calls, and public routes.

`src/nextbuy/contracts/history.json` contains the schema of each, and the additions of each version. Without arguments
this compares the code with it; `--accept` (`make contracts`) writes additions into it and refuses incompatible changes.
"""

import json
import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from nextbuy.contracts.message import Call, Event
from nextbuy.contracts.registry import CALLS, EVENTS
from nextbuy.host.composition import SERVICES
from nextbuy.kit.apidocs.examples import example
from nextbuy.kit.apidocs.openapi import Schemas, reply_of
from nextbuy.kit.service import Service
from tools.history import Json, judge

ROOT: Final = Path(__file__).resolve().parent.parent
HISTORY: Final = ROOT / "src" / "nextbuy" / "contracts" / "history.json"


def described(services: Sequence[Service], events: Sequence[type[Event]], calls: Sequence[type[Call[Any]]]) -> Json:
    """Return the schemas and properties of events, calls, and routes on which other programs rely."""
    schemas = Schemas()
    routes = [(service.name, route) for service in services for route in service.routes]
    for kind in [*events, *calls, *(call.reply for call in calls)]:
        schemas.add(kind)
    for _, route in routes:
        schemas.add(route.request)
        schemas.add(reply_of(route))
    schemas.generate()
    return {
        "events": {
            event.topic: {
                "class": event.__name__,
                "key": event.key,
                "schema_version": event.schema_version,
                "schema": schemas.of(event),
            }
            for event in events
        },
        "calls": {
            f"{call.to}.{call.name}": {
                "callers": sorted(call.callers),
                "idempotent": call.idempotent,
                "request": schemas.of(call),
                "reply": schemas.of(call.reply),
            }
            for call in calls
        },
        "routes": {
            f"{route.method} /{service}/api/{route.path}": {
                "roles": "anyone" if route.who is None else sorted(role.value for role in route.who),
                "status": route.status,
                "request": schemas.of(route.request),
            }
            | ({} if reply_of(route) is None else {"reply": schemas.of(reply_of(route))})
            for service, route in routes
        },
        "types": {name: _without_prose(schema) for name, schema in schemas.components.items()},
    }


def readers(services: Sequence[Service]) -> dict[str, str]:
    """Return the subscribing services of each topic, with their subscriptions."""
    found: dict[str, dict[str, list[str]]] = {}
    for service in services:
        for subscription in service.subscriptions:
            for event in subscription.events:
                found.setdefault(event.topic, {}).setdefault(service.name, []).append(subscription.name)
    return {
        topic: ", ".join(f"{name} ({', '.join(sorted(acts))})" for name, acts in sorted(by_service.items()))
        for topic, by_service in found.items()
    }


def unfit(kinds: Iterable[Any]) -> list[str]:
    """Return the types whose example in the API documents is invalid."""
    schemas = Schemas()
    wanted = list(dict.fromkeys(kinds))
    for kind in wanted:
        schemas.add(kind)
    schemas.generate()
    found = []
    for kind in wanted:
        try:
            msgspec.json.decode(json.dumps(example(schemas.of(kind), schemas.components)), type=kind)
        except msgspec.ValidationError as error:
            name = getattr(kind, "__name__", kind)
            found.append(f"{name}: its example is invalid ({error}). Add one to the type: Meta(examples=[…]).")
    return found


def undescribed(events: Sequence[type[Event]]) -> list[str]:
    """Return the fields of events that have no description."""
    schemas = Schemas()
    for event in events:
        schemas.add(event)
    schemas.generate()
    return [
        f"{event.topic}: {name} has no description. Add one: {name}: Annotated[…, Meta(description=…)]."
        for event in events
        for name, field in schemas.whole(event)["properties"].items()
        if "description" not in field
    ]


def _without_prose(schema: Json) -> Json:
    """Return a schema without its descriptions, which may change at any time."""
    return {
        key: {name: _without_prose(one) for name, one in value.items()}
        if key == "properties"
        else _without_prose(value)
        if isinstance(value, dict) and key in {"items", "additionalProperties"}
        else [_without_prose(one) for one in value]
        if key in {"anyOf", "oneOf", "prefixItems"}
        else value
        for key, value in schema.items()
        if key not in {"description", "examples"}
    }


def main(arguments: Sequence[str]) -> int:
    """Compare the code with the history, or with `--accept` add to it; fail if they differ."""
    services = [entry.service for entry in SERVICES.values()]
    since = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    try:
        agreed = json.loads(HISTORY.read_text(encoding="utf-8")) if HISTORY.exists() else {}
    except json.JSONDecodeError as error:
        print(f"{HISTORY.relative_to(ROOT)} is damaged ({error}). Restore it from main, then run `make contracts`.")
        return 1
    now = json.loads(json.dumps(described(services, EVENTS, CALLS)))
    outcome = judge(agreed, now, since=since, listeners=readers(services))
    routes = [route for service in services for route in service.routes]
    replies = [reply for reply in [*(call.reply for call in CALLS), *map(reply_of, routes)] if reply is not None]
    wrong = (
        outcome.breaks + undescribed(EVENTS) + unfit([*EVENTS, *CALLS, *(route.request for route in routes), *replies])
    )
    if wrong:
        print(*wrong, sep="\n")
        return 1
    if outcome.history == agreed:
        return 0
    accept = "--accept" in arguments
    if accept:
        HISTORY.write_text(json.dumps(outcome.history, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        last = f"{HISTORY.relative_to(ROOT)} was updated. Commit it together with the code."
    else:
        last = "These changes are not in the history of contracts. Accept them with `make contracts`."
    print(*outcome.added, *outcome.notes, last, sep="\n")
    return 0 if accept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
