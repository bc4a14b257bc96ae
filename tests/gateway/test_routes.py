"""Only public paths lead to a service, each in one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from nextbuy.contracts.errors import NotFound, Unavailable
from nextbuy.gateway.routes import Route, Routes, decode_query
from nextbuy.kit.wire import PROBLEM, Response
from tests.gateway.conftest import SERVICES, OpenShop

INTERNAL = [
    "/order/internal/hold-stock",
    "/order/Internal/hold-stock",
    "/ORDER/internal/hold-stock",
    "//order/internal/hold-stock",
    "/order//internal/hold-stock",
    "/order/./internal/hold-stock",
    "/order/api/../internal/hold-stock",
    "/order/api/..%2finternal/hold-stock",
    "/order/api/%2e%2e/internal/hold-stock",
    "/order/api/.%2e/internal/hold-stock",
    "/order/%69nternal/hold-stock",
    "/order/%2569nternal/hold-stock",
    "/order%2finternal/hold-stock",
    "/order/internal%00/hold-stock",
    "/order\\internal\\hold-stock",
    "/order/api\\..\\internal/hold-stock",
    "/order/api/..;/internal/hold-stock",
    "/order;x=1/internal/hold-stock",
    "/%6frder/internal/hold-stock",
    "/./order/internal/hold-stock",
    "/docs/../order/internal/hold-stock",
    "/order/api//internal",
    "/order/api/x/../../internal/hold-stock",
    "/order/internal",
    "/order/internal/",
    "/internal/order/hold-stock",
]
MISSPELT = [
    "/order/api",
    "/order/api/",
    "/order/api/x/",
    "/order/api/x//y",
    "/order/api/.",
    "/order/api/..",
    "/order/api/x/.",
    "/order/api/%2F",
    "/order/api/x%20y",
    "/order/api/%25",
    "/order/api/%7",
    "/order/api/%2E%2e",
    "/order/api/%c3%a9",
    "/order/api/x y",
    "/order/API/x",
    "/Order/api/x",
    "/orders/api/x",
    "/order/api/x;y",
    "/order/api/x@y",
    "/gateway/api/x",
    "order/api/x",
]


async def not_called(*_: object) -> Response:
    raise Unavailable("These routes are only looked up.")


SERVICE_ROUTES = {name: Route(not_called, log="path") for name in SERVICES}
PAGES = Route(not_called, log="page")
ROUTES = Routes(SERVICE_ROUTES, {}, PAGES)


async def page(_: object) -> Response:
    return Response(200, b"<p>", "text/html")


def destination(path: bytes) -> str | None:
    """Return the service that a path leads to, `page`, or None."""
    try:
        route, _ = ROUTES.find(path, "text/html")
    except NotFound:
        return None
    return "page" if route is PAGES else next(name for name in SERVICES if SERVICE_ROUTES[name] is route)


@pytest.mark.parametrize("path", INTERNAL)
async def test_internal_path_is_not_found_in_any_spelling(open_shop: OpenShop, path: str) -> None:
    shop = await open_shop()

    for method in ("GET", "POST"):
        status, _ = await shop.raw(f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        assert status in {400, 404}

    assert shop.requests == []


@pytest.mark.parametrize("form", ["http://127.0.0.1/order/internal/x", "http://order/internal/x", "*"])
async def test_absolute_request_target_is_not_found(open_shop: OpenShop, form: str) -> None:
    shop = await open_shop()

    status, _ = await shop.raw(f"GET {form} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())

    assert status in {400, 404}
    assert shop.requests == []


@pytest.mark.parametrize("path", MISSPELT + INTERNAL)
def test_misspelt_path_leads_to_no_service(path: str) -> None:
    assert destination(path.encode()) in {None, "page"}


@pytest.mark.parametrize(
    "path", [*INTERNAL, "/order/api", "/order/api/", "/order/API/x", "/Order/api/x", "/order/api/x/"]
)
def test_path_that_resembles_a_services_is_no_page(path: str) -> None:
    assert path == "/internal/order/hold-stock" or destination(path.encode()) is None


@pytest.mark.parametrize("path", ["/", "/product/blue-lamp", "/basket", "/static/shop.css", "/order/", "/orders/api/x"])
def test_plain_path_may_be_a_page(path: str) -> None:
    assert destination(path.encode()) == "page"


@given(st.lists(st.text("abcXYZ019._~-", min_size=1, max_size=8), min_size=1, max_size=5))
def test_plain_segments_lead_to_their_service_unless_one_is_dots(segments: list[str]) -> None:
    path = f"/order/api/{'/'.join(segments)}".encode()
    has_dots = bool({".", ".."} & set(segments))
    assert destination(path) == (None if has_dots else "order")


@given(st.binary(max_size=60))
def test_only_api_paths_lead_to_a_service(tail: bytes) -> None:
    path = b"/order/" + tail
    assert destination(path) in {None, "page"} or path.startswith(b"/order/api/")


@pytest.mark.parametrize("path", [b"/order/api/a%2Db", b"/order/%61pi/a-b", b"/%6frder/api/%61%2d%62"])
def test_encoded_unreserved_character_equals_the_plain_one(path: bytes) -> None:
    assert ROUTES.find(path) == (SERVICE_ROUTES["order"], "/order/api/a-b")


def test_encoded_unreserved_character_in_the_path_of_a_page_equals_the_plain_one() -> None:
    assert ROUTES.find(b"/product/blue%2Dlamp%7E1") == (PAGES, "/product/blue-lamp~1")


PROGRAM_PATHS = [
    "/orders/api/x",
    "/gateway/api/x",
    "/nobody/API/x",
    "/api/x",
    "/a/b/api",
    "/health",
    "/health/x",
    "/Health/live",
]


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/html;q=0, */*", "text/htmlx"])
@pytest.mark.parametrize("path", PROGRAM_PATHS)
async def test_unknown_path_of_a_program_gets_a_problem(open_shop: OpenShop, path: str, accept: str | None) -> None:
    shop = await open_shop(pages=page)

    for method in ("GET", "POST"):
        async with shop.session.request(method, path, headers={"accept": accept} if accept else {}) as response:
            assert (response.status, response.content_type) == (404, PROBLEM)
            assert (await response.json(content_type=PROBLEM))["slug"] == "endpoint-not-found"


@pytest.mark.parametrize("accept", ["text/html", "text/html,application/xhtml+xml,*/*;q=0.8", "*/*, Text/HTML;q=0.5"])
@pytest.mark.parametrize("path", PROGRAM_PATHS)
async def test_unknown_path_is_a_page_for_a_browser(open_shop: OpenShop, path: str, accept: str) -> None:
    shop = await open_shop(pages=page)

    async with shop.session.get(path, headers={"accept": accept}) as response:
        assert (response.status, response.content_type) == (200, "text/html")


@pytest.mark.parametrize("path", ["/health/live", "/openapi.json", "/docs", "/health/status"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
async def test_endpoint_of_the_gateway_names_its_methods(open_shop: OpenShop, method: str, path: str) -> None:
    shop = await open_shop()

    async with shop.session.request(method, path) as response:
        assert (response.status, response.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("query", ["%FF", "q=%ED%A0%80", "category=caf%E9", "q=%C3", "%C0%AF=1", "a=1&%f8"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_query_that_is_not_utf_8_is_refused(open_shop: OpenShop, method: str, query: str) -> None:
    shop = await open_shop()

    async with shop.session.request(method, URL(f"/product/api/x?{query}", encoded=True)) as response:
        assert (response.status, response.content_type) == (422, PROBLEM)

    assert shop.requests == []


@pytest.mark.parametrize("query", ["q=caf%C3%A9&x=%20", "%zz=%", "q=%F0%9F%A7%BF", "q=a+b"])
def test_other_query_is_unchanged(query: str) -> None:
    assert decode_query(query.encode()) == query


async def test_long_path_or_query_is_refused(open_shop: OpenShop) -> None:
    shop = await open_shop()

    for url in ("/order/api/" + "x" * 2000, "/order/api/x?" + "x" * 4001):
        async with shop.session.get(url) as response:
            assert response.status == 414

    assert shop.requests == []
