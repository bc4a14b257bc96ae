"""The OpenAPI document of the public endpoints, and its list of problems."""

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from msgspec import Struct

from nextbuy.contracts.errors import AppError
from nextbuy.contracts.values import Nothing, Page, PageRequest, Role, Tagged, Title
from nextbuy.host.composition import SERVICES as HOSTED
from nextbuy.kit.apidocs.errors import raised_by
from nextbuy.kit.apidocs.openapi import openapi, problems
from nextbuy.kit.service import RawContent, Service, get, post, put
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
            post("webhook", webhook, raw=RawContent()),
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
        ("if-none-match", "header", False),
    ]
    page = resolve(document, listing["responses"]["200"]["content"]["application/json"]["schema"]["$ref"])
    assert resolve(document, page["properties"]["items"]["items"]["$ref"])["description"] == "A lamp."
    assert listing["x-who"] == "anyone"
    assert listing["security"] == []


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


WHOLE = json.loads(openapi([hosted.service for hosted in HOSTED.values()], version="1"))
OPERATIONS = {
    f"{method} {path}": operation for path, methods in WHOLE["paths"].items() for method, operation in methods.items()
}
OF_THE_GATEWAY = {"400", "405", "408", "413", "414", "422", "429", "431"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_has_the_statuses_that_it_can_answer_with(name: str) -> None:
    operation = OPERATIONS[name]
    expected = set(OF_THE_GATEWAY)
    if "/api/" in name:
        expected |= {"502", "503", "504"}
    if operation["x-who"] != "anyone":
        expected |= {"401", "403"}
    if "{" in name:
        expected |= {"404"}
    if not name.startswith("get "):
        expected |= {"409", "415"}
    assert expected <= operation["responses"].keys()


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("post /auth/api/login", {"401"}),
        ("post /auth/api/refresh-session", {"401"}),
        ("post /order/api/payment-webhook", {"400"}),
        ("post /order/api/create-payment-session", {"404"}),
    ],
)
def test_errors_that_a_use_case_raises_are_listed(name: str, statuses: set[str]) -> None:
    assert statuses <= OPERATIONS[name]["responses"].keys()


def test_every_listed_error_is_an_error_class() -> None:
    for hosted in HOSTED.values():
        for route in hosted.service.routes:
            assert all(issubclass(kind, AppError) for kind in raised_by(route.act))


def test_public_operations_need_no_security_and_others_do() -> None:
    for operation in OPERATIONS.values():
        # A basket is a guest's without a token, and a buyer's with one.
        needs_none = operation["security"] == [] or {} in operation["security"]
        assert needs_none == (operation["x-who"] == "anyone")


def test_every_operation_has_its_own_id() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(ids) == len(set(ids))


def test_every_component_is_used() -> None:
    used = set(references(WHOLE))
    for kind in ("schemas", "responses"):
        assert {f"#/components/{kind}/{name}" for name in WHOLE["components"][kind]} - used == set()


def test_patterns_are_those_of_json_schema() -> None:
    patterns = re.findall(r'"pattern": "(.*)"', json.dumps(WHOLE, indent=1))
    assert patterns
    assert [one for one in patterns if re.search(r"\\\\[ZA]|\(\?P|\(\?[aiLmsux]", one)] == []


def test_payment_page_documents_its_bodies() -> None:
    pay, page = (OPERATIONS[f"{method} /simulator/api/pay/{{payment_id}}"] for method in ("post", "get"))
    assert pay["requestBody"]["content"].keys() == {"application/json", "application/x-www-form-urlencoded"}
    assert "303" in pay["responses"]
    assert page["responses"]["404"]["content"].keys() == {"text/html", "application/problem+json"}
