"""The route table: a path that exists is never “not found”, whatever the method."""

import pytest

from nextbuy.contracts.errors import EndpointNotFound, MethodNotAllowed
from nextbuy.host.composition import SERVICES
from nextbuy.kit.http.routing import RouteTable
from nextbuy.kit.service import Route

ROUTES = [(name, route) for name, hosted in SERVICES.items() for route in hosted.service.routes]
TABLES = {name: RouteTable(hosted.service) for name, hosted in SERVICES.items()}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


@pytest.mark.parametrize(
    ("service", "route"), ROUTES, ids=[f"{name}-{route.operation_id(name)}" for name, route in ROUTES]
)
def test_path_of_a_route_is_allowed_or_names_its_methods(service: str, route: Route) -> None:
    path = f"/{service}/api/{route.path.replace('{', '').replace('}', '')}"
    allowed = set()
    refusals = set()

    for method in METHODS:
        try:
            TABLES[service].find(method, path)
            allowed.add(method)
        except MethodNotAllowed as error:
            refusals.add(dict(error.headers)["allow"])

    assert route.method in allowed
    assert ("GET" in allowed) == ("HEAD" in allowed)
    assert {frozenset(allow.split(", ")) for allow in refusals} == {frozenset(allowed)}


def test_path_without_parameters_precedes_one_with() -> None:
    route, _ = TABLES["kafka"].find("POST", "/kafka/api/dead-letters/replay")
    assert route.path == "dead-letters/replay"

    for method in ("GET", "PUT"):
        with pytest.raises(MethodNotAllowed) as caught:
            TABLES["kafka"].find(method, "/kafka/api/dead-letters/replay")
        assert caught.value.headers == [("allow", "POST")]


@pytest.mark.parametrize("path", ["", "x", "dead-letters/", "dead-letters/a/b", "stuck/a"])
def test_other_path_is_not_found(path: str) -> None:
    for method in METHODS:
        with pytest.raises(EndpointNotFound):
            TABLES["kafka"].find(method, f"/kafka/api/{path}")
