"""Requests of pages to the API."""

import pytest

from nextbuy.gateway.page_requests import PageRequests
from nextbuy.kit.wire import Request


@pytest.mark.parametrize("value", ["a\nb", "a\r\nx-evil: 1", "\0", "\x7f"])
async def test_header_with_a_control_character_is_refused(value: str) -> None:
    response = await PageRequests().answer(Request("POST", "/auth/api/login", "", {"idempotency-key": value}))

    assert response.status == 400
    assert b"Open its page again" in response.body
