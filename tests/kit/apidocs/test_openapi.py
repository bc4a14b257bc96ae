"""The OpenAPI document of the public endpoints, and its list of problems."""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from msgspec import Struct

import nextbuy.host.composition  # noqa: F401  imports every error class
from nextbuy.contracts.errors import AppError
from nextbuy.contracts.values import Nothing, Page, PageRequest, Role, Tagged, Title
from nextbuy.kit.apidocs.openapi import openapi, problems
from nextbuy.kit.service import Service, get, post, put
from nextbuy.kit.wire import Encoded, Request, Response


class Lamp(Struct, frozen=True):
    """A lamp."""

    id: UUID
    title: Title


class Shade(Tagged, frozen=True):
    """A shade."""

    colour: str

    @property
    def etag(self) -> str:
        return f'"{self.colour}"'


class Rename(Struct, frozen=True, kw_only=True):
    lamp_id: UUID
    title: Title
    note: str = ""


async def list_lamps(_deps: object, _caller: object, _request: PageRequest) -> Encoded[Page[Lamp]]:
    """List lamps."""
    return Encoded(b'{"items":[],"next_cursor":null}')


async def rename_lamp(_deps: object, _caller: object, request: Rename) -> Lamp:
    """Rename a lamp."""
    return Lamp(request.lamp_id, request.title)


async def get_shade(_deps: object, _caller: object) -> Encoded[Shade]:
    """Show the shade."""
    return Encoded(b'{"colour":"red"}', '"red"')


async def paint_shade(_deps: object, _caller: object, request: Shade) -> Shade:
    """Paint the shade."""
    return request


async def drop_lamps(_deps: object, _caller: object, _request: Nothing) -> None:
    """Drop all lamps."""


async def webhook(_deps: object, _caller: object, _request: Request) -> Response:
    """Take a webhook."""
    return Response(204)


SERVICES = [
    Service(
        name="lamp",
        deps=object,
        routes=[
            get("list-lamps", list_lamps),
            put("rename-lamp/{lamp_id}", rename_lamp, who=(Role.SELLER, Role.ADMIN)),
            post("drop-lamps", drop_lamps, who=(Role.ADMIN,), status=204),
            get("get-shade", get_shade),
            put("paint-shade", paint_shade, if_match=True),
            post("webhook", webhook, raw=True),
        ],
    ),
]


def references(node: Any) -> Iterator[str]:  # noqa: ANN401
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document: Any, reference: str) -> Any:  # noqa: ANN401
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


def test_list_has_query_parameters_and_page_schema() -> None:
    document = json.loads(openapi(SERVICES, version="1"))
    listing = document["paths"]["/lamp/api/list-lamps"]["get"]
    assert [(one["name"], one["in"], one["required"]) for one in listing["parameters"]] == [
        ("limit", "query", False),
        ("cursor", "query", False),
    ]
    page = resolve(document, listing["responses"]["200"]["content"]["application/json"]["schema"]["$ref"])
    assert resolve(document, page["properties"]["items"]["items"]["$ref"])["description"] == "A lamp."
    assert listing["x-who"] == "anyone"
    assert "security" not in listing


def test_mutation_has_path_body_key_and_roles() -> None:
    rename = json.loads(openapi(SERVICES, version="1"))["paths"]["/lamp/api/rename-lamp/{lamp_id}"]["put"]
    assert [(one["name"], one["in"]) for one in rename["parameters"]] == [
        ("lamp_id", "path"),
        ("idempotency-key", "header"),
    ]
    body = rename["requestBody"]["content"]["application/json"]["schema"]
    assert list(body["properties"]) == ["title", "note"]
    assert body["required"] == ["title"]
    assert rename["x-who"] == ["admin", "seller"]
    assert rename["security"] == [{"bearer": []}, {"cookie": []}]
    assert {"401", "403", "404", "409", "422", "429"} <= set(rename["responses"])


def test_version_has_headers_and_statuses() -> None:
    paths = json.loads(openapi(SERVICES, version="1"))["paths"]
    read, change = paths["/lamp/api/get-shade"]["get"], paths["/lamp/api/paint-shade"]["put"]

    assert [one["name"] for one in read["parameters"]] == ["if-none-match"]
    assert [one["name"] for one in change["parameters"]] == ["idempotency-key", "if-match"]
    for operation in (read, change):
        assert list(operation["responses"]["200"]["headers"]) == ["etag"]
    assert "content" not in read["responses"]["304"]
    assert {"400", "412"} <= set(change["responses"])
    assert "412" not in paths["/lamp/api/rename-lamp/{lamp_id}"]["put"]["responses"]


def test_route_without_body_and_reply_has_none() -> None:
    drop = json.loads(openapi(SERVICES, version="1"))["paths"]["/lamp/api/drop-lamps"]["post"]
    assert "requestBody" not in drop
    assert drop["responses"]["204"] == {"description": "Done."}


def test_references_resolve() -> None:
    document = json.loads(openapi(SERVICES, version="1"))
    found = set(references(document))
    assert found
    for reference in found:
        assert resolve(document, reference) is not None


def test_document_is_deterministic() -> None:
    assert openapi(SERVICES, version="1") == openapi(SERVICES, version="1")


def test_every_problem_has_a_text_and_appears_once() -> None:
    found = problems(["order"])

    slugs = [one["slug"] for one in found]
    assert slugs == sorted(set(slugs))
    assert {"sold-out", "order-unavailable", "body-too-large", "endpoint-not-found", "internal-error"} <= set(slugs)
    assert all(400 <= one["status"] < 600 and one["detail"] and one["title"] for one in found)


def test_composition_imports_every_error_of_the_package() -> None:
    listing = "from nextbuy.kit.apidocs.openapi import problems; print(*[one['slug'] for one in problems([])])"
    every_module = (
        "import pkgutil, importlib, nextbuy\n"
        "for one in pkgutil.walk_packages(nextbuy.__path__, 'nextbuy.'):\n"
        "    if not one.name.endswith('__main__'): importlib.import_module(one.name)\n"
    )

    served, all_of_them = (
        subprocess.run([sys.executable, "-c", first + listing], capture_output=True, check=True, text=True).stdout
        for first in ("import nextbuy.host.composition\n", every_module)
    )

    assert "sold-out" in served.split()
    assert served == all_of_them


def test_slugs_are_unique() -> None:
    kinds: dict[str, set[type[AppError]]] = defaultdict(set)
    below = [AppError]
    for kind in below:
        below += [one for one in kind.__subclasses__() if one.__module__.startswith("nextbuy.")]
        kinds[kind.slug].add(kind)

    assert {slug for slug, same in kinds.items() if len({one.__doc__ for one in same}) > 1} == {
        "internal-error",
        "too-many-requests",
    }
