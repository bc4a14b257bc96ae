"""Only public addresses lead to a service, in one spelling each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbuy.gateway.addresses import Addresses, clean_query
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
STRANGE = [
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


@pytest.mark.parametrize("path", INTERNAL)
async def test_what_is_internal_cannot_be_reached_in_any_spelling(open_shop: OpenShop, path: str) -> None:
    shop = await open_shop()
    for method in ("GET", "POST"):
        status, _ = await shop.raw(f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        assert status in {400, 404}
    assert shop.asked == []


@pytest.mark.parametrize("form", ["http://127.0.0.1/order/internal/x", "http://order/internal/x", "*"])
async def test_an_absolute_address_leads_no_further(open_shop: OpenShop, form: str) -> None:
    shop = await open_shop()
    status, _ = await shop.raw(f"GET {form} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    assert status in {400, 404}
    assert shop.asked == []


@pytest.mark.parametrize("path", STRANGE + INTERNAL)
def test_an_address_that_is_not_spelt_right_leads_nowhere(path: str) -> None:
    assert Addresses(SERVICES).service(path.encode()) is None


@pytest.mark.parametrize("path", [*INTERNAL, "/order/api", "/order/api/", "/order/API/x", "/Order/api/x"])
def test_what_looks_like_a_services_address_is_no_page(path: str) -> None:
    assert path == "/internal/order/hold-stock" or not Addresses(SERVICES).may_be_page(path.encode())


@pytest.mark.parametrize("path", ["/", "/product/blue-lamp", "/basket", "/static/shop.css", "/order/", "/orders/api/x"])
def test_a_plain_address_may_be_a_page(path: str) -> None:
    assert Addresses(SERVICES).may_be_page(path.encode())


@given(st.lists(st.text("abcXYZ019._~-", min_size=1, max_size=8), min_size=1, max_size=5))
def test_plain_segments_lead_to_their_service_unless_they_climb(segments: list[str]) -> None:
    path = f"/order/api/{'/'.join(segments)}".encode()
    climbs = bool({".", ".."} & set(segments))
    assert Addresses(SERVICES).service(path) == (None if climbs else "order")


@given(st.binary(max_size=60))
def test_whatever_comes_only_public_addresses_lead_to_a_service(tail: bytes) -> None:
    path = b"/order/" + tail
    assert Addresses(SERVICES).service(path) is None or path.startswith(b"/order/api/")


def test_a_query_in_bare_utf8_is_encoded_as_it_should_have_been() -> None:
    assert clean_query("q=café".encode()) == "q=caf%C3%A9"
    assert clean_query(b"q=caf%C3%A9&x=%20") == "q=caf%C3%A9&x=%20"


async def test_long_addresses_and_queries_are_refused(open_shop: OpenShop) -> None:
    shop = await open_shop()
    async with shop.session.get("/order/api/" + "x" * 2000) as answer:
        assert answer.status == 414
    async with shop.session.get("/order/api/x?" + "x" * 4001) as answer:
        assert answer.status == 414
    assert shop.asked == []
