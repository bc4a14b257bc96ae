"""The page of dead letters and stuck work, with an API that has one of each."""

import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
import pytest

from nextbuy.contracts.errors import AppError, Conflict, FieldError, ServiceUnavailable, Unavailable, Unprocessable
from nextbuy.kit.config import Settings
from nextbuy.kit.http.tokens import ACCESS_COOKIE
from nextbuy.kit.wire import Handler, Request, Response, problem_response, reply_response
from nextbuy.web.app import pages

LETTER: Final = "0197a000-0000-7000-8000-000000000001"
NOW: Final = "2026-11-29T12:00:00Z"
ACCOUNT: Final = {"id": LETTER, "email": "noor@example.com", "name": "Noor", "role": "admin", "email_confirmed": True}
LETTERS: Final = "/kafka/api/dead-letters"


def letter(status: str = "waiting") -> dict[str, Any]:
    return {
        "id": LETTER,
        "topic": "order.created",
        "event_id": LETTER,
        "event_type": "order.created.v1",
        "reason": "the <shop> is missing",
        "attempts": 3,
        "failed_at": NOW,
        "envelope": {"id": "event-1"},
        "subscription": "notify-accounts",
        "publisher": "",
        "error_chain": ["KeyError: shop"],
        "status": status,
        "resolved_at": None,
        "discard_reason": "",
    }


STUCK: Final = {"id": "pay_1", "kind": "refund", "since": NOW, "attempts": 9, "reason": "the provider is unavailable"}


class Api:
    """An API with answers by path; it notes what is sent."""

    def __init__(self) -> None:
        self.answers: dict[str, object] = {
            "/auth/api/me": {"user": ACCOUNT},
            LETTERS: {"items": [letter()], "next_cursor": "more"},
            "/kafka/api/replays": {"items": []},
            "/order/api/stuck": {"items": [STUCK]},
            "/notification/api/stuck": {"items": []},
            "/kafka/api/stuck": {"items": []},
            "/admin/api/unread-notifications": {"unread": 0},
            "/order/api/basket": {"lines": []},
        }
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.asked: list[str] = []

    async def send(self, request: Request) -> Response:
        """Answer a request."""
        if request.method == "POST":
            self.sent.append((request.path, msgspec.json.decode(request.body)))
        else:
            self.asked.append(request.target)
        answer = self.answers.get(request.path, {})
        if isinstance(answer, AppError):
            return problem_response(answer, "request-1")
        return reply_response(200, answer)


@pytest.fixture
def api() -> Api:
    """The API."""
    return Api()


@pytest.fixture
def site(api: Api, tmp_path: Path) -> Handler:
    """The pages in front of the API."""
    return pages(api.send, settings=Settings(secret=b"s" * 16, data=tmp_path), demo=False)


async def open_page(site: Handler, query: str = "", path: str = "/dead-letters", **form: str) -> Response:
    headers = {"cookie": f"{ACCESS_COOKIE}=token", "content-type": "application/x-www-form-urlencoded"}
    method = "POST" if form else "GET"
    return await site(Request(method, path, query, headers, urlencode(form).encode()))


async def test_letter_is_shown_with_its_errors_and_its_event(site: Handler) -> None:
    page = (await open_page(site)).body.decode()

    assert "the &lt;shop&gt; is missing" in page
    assert "KeyError: shop" in page
    assert "&#34;id&#34;: &#34;event-1&#34;" in page
    assert f'href="/trace?id={LETTER}"' in page
    assert "the provider is unavailable" in page


async def test_filter_is_kept_by_links_and_forms(site: Handler, api: Api) -> None:
    page = (await open_page(site, "topic=order.created&status=nonsense&since=x")).body.decode()

    assert f"{LETTERS}?limit=20&topic=order.created&status=waiting" in api.asked
    assert 'href="/dead-letters?topic=order.created&amp;cursor=more"' in page
    assert 'action="/dead-letters/discard?topic=order.created"' in page
    done = await open_page(site, "topic=order.created", "/dead-letters/replay-all", key="k")
    assert api.sent == [(f"{LETTERS}/replay", {"topic": "order.created"})]
    assert (done.status, dict(done.headers)["location"]) == (303, "/dead-letters?topic=order.created&done=replay-all")


@pytest.mark.parametrize(
    ("name", "form", "path", "body"),
    [
        ("replay", {"id": LETTER}, f"{LETTERS}/{LETTER}/replay", {}),
        ("discard", {"id": LETTER, "reason": " Old. "}, f"{LETTERS}/{LETTER}/discard", {"reason": "Old."}),
        ("retry", {"service": "order", "id": "pay_1"}, "/order/api/stuck/pay_1/retry", {}),
        (
            "give-up",
            {"service": "order", "id": "pay_1", "reason": "x"},
            "/order/api/stuck/pay_1/give-up",
            {"reason": "x"},
        ),
    ],
)
async def test_form_does_one_thing(
    site: Handler, api: Api, name: str, form: dict[str, str], path: str, body: dict[str, str]
) -> None:
    done = await open_page(site, "", f"/dead-letters/{name}", **form)

    assert (done.status, dict(done.headers)["location"]) == (303, f"/dead-letters?done={name}")
    assert api.sent == [(path, body)]
    assert b'role="status"' in (await open_page(site, f"done={name}")).body


async def test_refused_reason_is_explained_beside_what_was_typed(site: Handler, api: Api) -> None:
    api.answers[f"{LETTERS}/{LETTER}/discard"] = Unprocessable(
        "x", errors=[FieldError("reason", "Blank. Enter a text.")]
    )

    page = await open_page(site, "", "/dead-letters/discard", id=LETTER, reason=" ")

    assert page.status == 422
    assert "Blank. Enter a text." in page.body.decode()
    assert re.search(r"<details open>\s*<summary>Discard", page.body.decode())


async def test_letter_that_another_operator_has_replayed_is_explained(site: Handler, api: Api) -> None:
    api.answers[f"{LETTERS}/{LETTER}/replay"] = Conflict("This dead letter was already replayed.")

    page = await open_page(site, "", "/dead-letters/replay", id=LETTER)

    assert (page.status, "already replayed" in page.body.decode()) == (409, True)


@pytest.mark.parametrize("form", [{"service": "auth", "id": "x"}, {"service": "order", "id": "../x"}])
async def test_form_reaches_stuck_work_only(site: Handler, api: Api, form: dict[str, str]) -> None:
    assert (await open_page(site, "", "/dead-letters/retry", **form)).status == 404
    assert api.sent == []


async def test_service_that_is_unavailable_is_named_and_the_others_are_shown(site: Handler, api: Api) -> None:
    api.answers |= {LETTERS: ServiceUnavailable("kafka"), "/kafka/api/stuck": ServiceUnavailable("kafka")}

    page = await open_page(site)

    assert page.status == 200
    assert "The dead letters cannot be shown now." in page.body.decode()
    assert "The stuck work of the service kafka cannot be shown now." in page.body.decode()
    assert "the provider is unavailable" in page.body.decode()


async def test_navigation_counts_what_waits_while_the_status_is_available(site: Handler, api: Api) -> None:
    stuck = {"order": {"refund": 2}, "notification": {"mail": 1}}
    api.answers["/health/status"] = {"reviews": {"products": 3, "shops": 1}, "dead_letters": 120, "stuck": stuck}

    [moderation, letters] = re.findall(r'<span class="count">(.*?)<span', (await open_page(site)).body.decode())[:2]

    assert (moderation, letters) == ("4", "99+")
    api.answers["/health/status"] = Unavailable()
    page = await open_page(site)
    assert (page.status, " waiting</span>" in page.body.decode()) == (200, False)


async def test_other_roles_are_refused(site: Handler, api: Api) -> None:
    api.answers["/auth/api/me"] = {"user": {**ACCOUNT, "role": "buyer"}}

    for path in ("/dead-letters", "/dead-letters/replay"):
        assert (await open_page(site, "", path, **({"id": LETTER} if "replay" in path else {}))).status == 403
    assert api.sent == []
