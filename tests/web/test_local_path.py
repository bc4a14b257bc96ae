"""The page after signing in is on this site, whatever the link to the sign-in page says."""

import pytest

from nextbuy.web.visit import local_path

SITE = "http://shop.example:8080"


@pytest.mark.parametrize(
    "path",
    [
        "/..//evil.example/phish",
        "/.//evil.example",
        "/x/..//evil.example",
        "..//evil.example",
        "/%2e%2e//evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "\n//evil.example",
        "/\u2028/evil.example",
        " //evil.example",
        "http://evil.example",
        "https:evil.example",
        f"{SITE}@evil.example",
        f"{SITE}/figures",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://[",
        "/x\r\nset-cookie: a=b",
        "basket",
        "",
    ],
)
def test_path_of_another_site_is_replaced(path: str) -> None:
    assert local_path(path, "/sell") == "/sell"


@pytest.mark.parametrize(
    "path", ["/sell", "/order/1?a=b#c", "/product/a%2fb", "/search?q=//evil.example", "/category/caf%C3%A9"]
)
def test_own_page_is_accepted(path: str) -> None:
    assert local_path(path, "/") == path
