"""The cookies of a visitor between browser, page and API."""

from nextbuy.web.cookies import Cookies


def test_cookie_that_the_api_sets_is_sent_to_it_and_to_the_browser() -> None:
    cookies = Cookies("nextbuy_access=old; other=1")

    cookies.apply([("set-cookie", "nextbuy_access=new; Path=/; HttpOnly"), ("etag", '"1"')])

    assert cookies.header == "other=1; nextbuy_access=new"
    assert cookies.get("nextbuy_access") == "new"
    assert cookies.changes == [("set-cookie", "nextbuy_access=new; Path=/; HttpOnly")]


def test_ended_session_leaves_no_token() -> None:
    cookies = Cookies("nextbuy_access=a; nextbuy_refresh=b; nextbuy_csrf=c; nextbuy_basket=d")

    cookies.end_session()

    assert cookies.header == "nextbuy_basket=d"
    assert all("Max-Age=0" in value for _, value in cookies.changes)
    assert len(cookies.changes) == 3


def test_malformed_header_is_read_as_far_as_possible() -> None:
    cookies = Cookies("; =x; nextbuy_access; nextbuy_csrf==; a=b=c")

    assert (cookies.get("nextbuy_access"), cookies.get("nextbuy_csrf"), cookies.get("a")) == ("", "=", "b=c")
