"""The pages of errors say once what is wrong."""

from pathlib import Path

import pytest

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import AppError, BadRequest, wrong_role
from nextbuy.contracts.values import Role, new_id
from nextbuy.kit.config import Settings
from nextbuy.kit.wire import JSON, Request, Response, encode, problem_response
from nextbuy.web.app import pages


@pytest.mark.parametrize(
    ("error", "heading", "texts"),
    [
        (wrong_role([Role.BUYER]), "Not for this account", ["Only buyers have access.", "You are signed in as Bob"]),
        (wrong_role([Role.SELLER, Role.ADMIN]), "Not for this account", ["Only admins and sellers have access."]),
        (BadRequest("The form is too long."), "Request refused", ["The form is too long."]),
    ],
)
async def test_refusal_says_once_what_is_wrong(tmp_path: Path, error: AppError, heading: str, texts: list[str]) -> None:
    async def api(request: Request) -> Response:
        if request.path == "/auth/api/me":
            return Response(200, encode({"user": Account(new_id(), "bob@example.com", "Bob", Role.SELLER)}), JSON)
        return problem_response(error, "request-1")

    site = pages(api, settings=Settings(secret=b"s" * 16, data=tmp_path), demo=False)
    response = await site(Request("GET", "/orders", "", {"cookie": "nextbuy_access=bob"}))
    page = response.body.decode()

    assert response.status == error.status
    assert f"<h1>{heading}</h1>" in page
    assert [text for text in texts if text not in page] == []
    assert "This was not accepted" not in page
