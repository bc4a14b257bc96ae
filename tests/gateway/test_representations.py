"""Responses as clients and caches get them: entity tags, compression, and who may store them."""

import gzip
from collections.abc import Mapping
from typing import NamedTuple

import pytest

from nextbuy.gateway.representations import Representations
from nextbuy.kit.http.tokens import ACCESS_COOKIE, BASKET_COOKIE, CSRF_COOKIE, REFRESH_COOKIE
from nextbuy.kit.wire import AGE, Handler, Request, Response
from tests.gateway.conftest import OpenShop

BOTH_TRANSPORTS = pytest.mark.parametrize("over_http", [False, True], ids=["in-process", "over-http"])
LIST = b'{"items":[%b]}' % b",".join(b'{"title":"A kettle of copper"}' for _ in range(60))
PATH = "/product/api/get-all-products"


def public(body: bytes = LIST, *, age: str = "0.250", headers: Mapping[str, str] | None = None) -> Handler:
    """Return a service whose responses are the same for everybody."""

    async def handle(_: Request) -> Response:
        return Response(200, body, headers=[(AGE, age), *(headers or {}).items()])

    return handle


async def private(_: Request) -> Response:
    """Answer with something of one person."""
    return Response(200, LIST)


class Got(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


async def get(open_shop: OpenShop, handle: Handler, *, over_http: bool = False, **headers: str) -> Got:
    shop = await open_shop(handle, over_http=over_http)
    sent = {"accept-encoding": "identity"} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with shop.session.get(PATH, headers=sent) as response:
        return Got(response.status, response.headers, await response.read())


@BOTH_TRANSPORTS
async def test_caches_may_store_a_public_response_for_one_second(open_shop: OpenShop, over_http: bool) -> None:  # noqa: FBT001
    got = await get(open_shop, public(), over_http=over_http)

    assert got.headers["cache-control"] == "public, max-age=0, s-maxage=1"
    assert got.headers["age"] == "0"
    assert {"Accept-Encoding", "Authorization", "Cookie"} <= set(got.headers["vary"].split(", "))
    assert not got.headers["etag"].startswith("W/")
    assert AGE not in got.headers


@pytest.mark.parametrize("age", ["1.000", "1.499"])
async def test_caches_do_not_store_a_response_of_one_second_or_more(open_shop: OpenShop, age: str) -> None:
    got = await get(open_shop, public(age=age))

    assert (got.headers["cache-control"], got.headers["age"]) == ("public, max-age=0, s-maxage=0", "1")


@pytest.mark.parametrize(
    "sent",
    [
        *({"cookie": f"{name}=x"} for name in (ACCESS_COOKIE, REFRESH_COOKIE, CSRF_COOKIE, BASKET_COOKIE)),
        {"cookie": f"theme=dark; {BASKET_COOKIE}=x"},
        {"authorization": "Bearer x"},
    ],
    ids=str,
)
async def test_response_to_a_person_is_private(open_shop: OpenShop, sent: dict[str, str]) -> None:
    got = await get(open_shop, public(), over_http=False, **sent)

    assert (got.headers["cache-control"], "age" in got.headers) == ("private, no-cache", False)
    assert "Cookie" in got.headers["vary"]


async def test_cookie_of_another_program_does_not_make_a_response_private(open_shop: OpenShop) -> None:
    assert (await get(open_shop, public(), cookie="theme=dark")).headers["cache-control"].startswith("public")


async def test_response_with_a_cookie_is_private(open_shop: OpenShop) -> None:
    got = await get(open_shop, public(headers={"set-cookie": "a=b"}))

    assert got.headers["cache-control"] == "private, no-cache"


@BOTH_TRANSPORTS
@pytest.mark.parametrize("form", ["{0}", "W/{0}", '"x", {0}', "*", "{1}"])
async def test_known_response_is_not_sent_again(open_shop: OpenShop, form: str, over_http: bool) -> None:  # noqa: FBT001
    etag = (await get(open_shop, public(), over_http=over_http)).headers["etag"]

    known = form.format(etag, f'{etag[:-1]}-gzip"')
    got = await get(open_shop, public(), over_http=over_http, if_none_match=known)

    assert (got.status, got.body, got.headers["etag"]) == (304, b"", etag)
    assert got.headers["cache-control"] == "public, max-age=0, s-maxage=1"
    assert "Cookie" in got.headers["vary"]
    changed = await get(open_shop, public(LIST + b" "), over_http=over_http, if_none_match=known)
    assert changed.status == (304 if form == "*" else 200)


@pytest.mark.parametrize("known", ['"1.1"', "", "x", '"', "W/"])
async def test_unknown_etag_gets_the_response(open_shop: OpenShop, known: str) -> None:
    assert (await get(open_shop, public(), if_none_match=known)).status == 200


async def test_etag_of_a_service_stays_since_it_is_sent_in_if_match(open_shop: OpenShop) -> None:
    assert (await get(open_shop, public(headers={"etag": '"3.1005"'}))).headers["etag"] == '"3.1005"'


@BOTH_TRANSPORTS
async def test_compressed_response_has_an_etag_of_its_own(open_shop: OpenShop, over_http: bool) -> None:  # noqa: FBT001
    plain = await get(open_shop, public(), over_http=over_http)
    shop = await open_shop(public(), over_http=over_http)
    async with shop.session.get(PATH, headers={"accept-encoding": "br, gzip"}, auto_decompress=False) as response:
        assert response.headers["content-encoding"] == "gzip"
        assert gzip.decompress(await response.read()) == plain.body == LIST
        assert response.headers["etag"] == f'{plain.headers["etag"][:-1]}-gzip"'
        known = response.headers["etag"]
    async with shop.session.get(PATH, headers={"accept-encoding": "gzip", "if-none-match": known}) as response:
        assert (response.status, response.headers["etag"]) == (304, known)


async def negotiated(representations: Representations, body: bytes) -> Response:
    request = Request("GET", PATH, "", {"accept-encoding": "gzip"})
    return await representations.negotiate(request, Response(200, body, headers=[(AGE, "0.1")]), 0.0)


async def test_content_is_compressed_once() -> None:
    representations = Representations()

    first, again = [await negotiated(representations, bytes(bytearray(LIST))) for _ in range(2)]

    assert first.body is again.body
    assert gzip.decompress(first.body) == LIST


async def test_compressed_contents_are_bounded_in_bytes() -> None:
    representations = Representations(max_bytes=4 * len(LIST))
    first = await negotiated(representations, LIST)

    for number in range(10):
        await negotiated(representations, LIST + b"%d" % number)

    assert representations.contents.size <= 4 * len(LIST)
    assert (await negotiated(representations, LIST)).body is not first.body


async def test_private_response_is_compressed_and_not_stored(open_shop: OpenShop) -> None:
    shop = await open_shop(private)
    async with shop.session.get(PATH, headers={"accept-encoding": "gzip"}, auto_decompress=False) as response:
        assert gzip.decompress(await response.read()) == LIST
        assert response.headers["cache-control"] == "no-store"
        assert "Accept-Encoding" in response.headers["vary"]


async def test_response_to_a_form_is_not_compressed_since_it_may_hold_a_token(open_shop: OpenShop) -> None:
    shop = await open_shop(private)
    async with shop.session.post(PATH, headers={"accept-encoding": "gzip"}) as response:
        assert "content-encoding" not in response.headers


async def test_short_response_is_not_compressed(open_shop: OpenShop) -> None:
    got = await get(open_shop, public(b'{"items":[]}'), accept_encoding="gzip")

    assert "content-encoding" not in got.headers
    assert "-gzip" not in got.headers["etag"]


async def test_error_is_never_public(open_shop: OpenShop) -> None:
    async def handle(_: Request) -> Response:
        return Response(404, b"{}", headers=[(AGE, "0.1")])

    got = await get(open_shop, handle)

    assert got.headers["cache-control"] == "no-store"
    assert AGE not in got.headers


@BOTH_TRANSPORTS
async def test_head_has_the_cache_rules_and_no_body(open_shop: OpenShop, over_http: bool) -> None:  # noqa: FBT001
    shop = await open_shop(public(), over_http=over_http)
    async with shop.session.head(PATH) as response:
        assert (response.status, await response.read()) == (200, b"")
        assert AGE not in response.headers
