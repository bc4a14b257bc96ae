"""Every text of every public request is cleaned before it is judged, whatever route is added later."""

from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from functools import cache
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from msgspec import inspect

from nextbuy.contracts.errors import Unprocessable
from nextbuy.host.composition import SERVICES
from nextbuy.kit.apidocs.examples import example
from nextbuy.kit.apidocs.openapi import Schemas
from nextbuy.kit.http.decoding import decode_request
from nextbuy.kit.service import Route
from nextbuy.kit.wire import READS, Request

Path = tuple[str | int, ...]
ROUTES = [route for hosted in SERVICES.values() for route in hosted.service.routes if not route.raw]
MULTILINE = {"bio", "contact", "description", "reason"}
OPAQUE = {"password", "current_password", "refresh_token", "token", "email", "cursor", "ids"}
"""Fields that are compared as a whole, and that have rules of their own."""


def texts(kind: inspect.Type, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each string in a request."""
    match kind:
        case inspect.Metadata():
            yield from texts(kind.type, path)
        case inspect.UnionType():
            for one in kind.types:
                yield from texts(one, path)
        case inspect.ListType():
            yield from texts(kind.item_type, (*path, 0))
        case inspect.StructType():
            for field in kind.fields:
                yield from texts(field.type, (*path, field.encode_name))
        case inspect.StrType():
            yield path


FIELDS = [
    (route, path)
    for route in ROUTES
    for path in texts(inspect.type_info(route.request))
    if f"{{{path[0]}}}" not in route.path and path[-1] not in OPAQUE
]
CASES = [pytest.param(route, path, id=f"{route.path}:{'.'.join(map(str, path))}") for route, path in FIELDS]


@cache
def example_of(request: Any) -> dict[str, Any]:  # noqa: ANN401  types are of any type
    schemas = Schemas()
    schemas.add(request)
    schemas.generate()
    fields: dict[str, Any] = example(schemas.of(request), schemas.components)
    return fields


def decoded(route: Route, path: Path, text: str) -> Any:  # noqa: ANN401  any field
    """Decode an example of a route's request with a text in one place, and return that place."""
    kind: Any = route.request
    fields = deepcopy(example_of(kind))
    place: Any = fields
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = text
    captured = {name: str(fields.pop(name)) for name in list(fields) if f"{{{name}}}" in route.path}
    reads = route.method in READS
    given = {name: value for name, value in fields.items() if name != "cursor"}
    request = Request(
        route.method,
        "/",
        urlencode(given) if reads else "",
        {},
        b"" if reads else msgspec.json.encode(given),
    )
    found: Any = msgspec.to_builtins(decode_request(route, request, captured))
    for step in path:
        found = found[step]
    return found


@pytest.mark.parametrize(("route", "path"), CASES)
def test_text_is_stored_in_nfc_without_invisible_ends(route: Route, path: Path) -> None:
    given = "\u200b Cafe\u0301 \u0639\u0644\u06cc\u200c\u0631\u0636\u0627\u200c \ufeff"

    assert decoded(route, path, given) == "Caf\u00e9 \u0639\u0644\u06cc\u200c\u0631\u0636\u0627"


@pytest.mark.parametrize(("route", "path"), CASES)
def test_control_character_is_refused_by_name_of_the_field(route: Route, path: Path) -> None:
    for char in "\u0003\u0085\u202e\ufffe":
        with pytest.raises(Unprocessable) as refused:
            decoded(route, path, f"Quirk{char}lamp")

        assert refused.value.errors is not None
        assert str(path[-1]).replace("0", "[0]") in refused.value.errors[0].field
        assert "Remove it" in refused.value.errors[0].message


@pytest.mark.parametrize(("route", "path"), CASES)
def test_line_break_is_only_for_texts_with_lines(route: Route, path: Path) -> None:
    if path[-1] in MULTILINE and route.method not in READS and not route.path.startswith("dead-letters/replay"):
        assert decoded(route, path, "Quirk\r\n\nlamp") == "Quirk\n\nlamp"
    else:
        with pytest.raises(Unprocessable, match="one line"):
            decoded(route, path, "Quirk\nlamp")


@pytest.mark.parametrize(("route", "path"), CASES)
def test_text_without_a_visible_character_is_empty_or_refused(route: Route, path: Path) -> None:
    for text in ("\u200b\u200b", "\u3164\u00a0\u3164", "\u2800\u2800", "\ufe0f\u200d"):
        with suppress(Unprocessable):
            assert decoded(route, path, text) == ""


def test_required_text_without_a_visible_character_is_refused() -> None:
    optional = set()
    for route, path in FIELDS:
        try:
            decoded(route, path, "\u200b\u200b")
        except Unprocessable:
            continue
        optional.add(path[-1])

    assert optional == {"bio", "contact", "description", "topic", "subscription", "reason", "event_type", "q"}


def test_password_is_only_normalised() -> None:
    [login] = [route for route in ROUTES if route.path == "login"]

    assert decoded(login, ("password",), " pa\u0308ss\tword ") == " p\u00e4ss\tword "
