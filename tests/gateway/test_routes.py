"""Only public paths lead to a service, each in one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbuy.contracts.errors import NotFound, Unavailable
from nextbuy.gateway.routes import Route, Routes, decode_query
from nextbuy.kit.wire import Response
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
    "/order/api/%78",
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


def destination(path: bytes) -> str | None:
    """Return the service that a path leads to, `page`, or None."""
    try:
        route = ROUTES.find(path)
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


def test_bare_utf8_in_a_query_is_percent_encoded() -> None:
    assert decode_query("q=café".encode()) == "q=caf%C3%A9"
    assert decode_query(b"q=caf%C3%A9&x=%20") == "q=caf%C3%A9&x=%20"


async def test_long_path_or_query_is_refused(open_shop: OpenShop) -> None:
    shop = await open_shop()

    for url in ("/order/api/" + "x" * 2000, "/order/api/x?" + "x" * 4001):
        async with shop.session.get(url) as response:
            assert response.status == 414

    assert shop.requests == []
