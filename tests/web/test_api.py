"""Requests of pages to the API."""

import pytest

from nextbuy.contracts.errors import BadRequest
from nextbuy.kit.wire import Request, Response
from nextbuy.web.api import Api, Ignored


async def never(_request: Request) -> Response:
    raise AssertionError


@pytest.mark.parametrize("value", ["a\nb", "a\r\nx-evil: 1", "\0", "\x7f"])
async def test_hidden_field_with_a_control_character_becomes_no_header(value: str) -> None:
    api = Api(never, Request("POST", "/sign-in", "", {"cookie": "nextbuy_access=a; nextbuy_csrf=c"}))

    for headers in ({"key": value}, {"etag": value}):
        with pytest.raises(BadRequest, match="Open its page again"):
            await api.send("POST", "/auth/api/login", {}, Ignored, **headers)
