"""`/dead-letters`: events that could not be applied, and stuck work; an admin retries both, or ends them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Final, Literal
from uuid import UUID

import msgspec
from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.errors import AppError, NotFound
from nextbuy.contracts.values import Page
from nextbuy.web.api import Ignored, secondary
from nextbuy.web.choices import Choices, choices_of
from nextbuy.web.forms import Failure, failure_of, form_key, hidden_id
from nextbuy.web.pages.admin import STUCK_SERVICES, require_admin
from nextbuy.web.visit import View, Visit

PATH: Final = "/dead-letters"
_LETTERS: Final = "/kafka/api/dead-letters"
_LIMIT: Final = 20
_REPLAYS: Final = 5
_MAX_TEXT: Final = 400
"""Characters of a choice: a cursor of this list is longer than others."""

Status = Literal["waiting", "replaying", "replayed", "discarded", "all"]


class LetterFilter(Choices, frozen=True, omit_defaults=True):
    """The choices of an admin; without any, the waiting dead letters are listed."""

    status: Status = "waiting"
    topic: str = ""
    subscription: str = ""
    event_type: str = ""
    reason: str = ""

    @property
    def criteria(self) -> dict[str, str]:
        """The fields that a dead letter must match, besides its status."""
        return {name: value for name in _CRITERIA if (value := getattr(self, name))}


_CRITERIA: Final = ("topic", "subscription", "event_type", "reason")


class DeadLetter(Struct):
    """An event that could not be applied."""

    id: UUID
    topic: str
    event_id: UUID | None
    event_type: str
    reason: str
    attempts: int
    failed_at: datetime
    envelope: msgspec.Raw
    subscription: str
    publisher: str
    error_chain: list[str]
    status: str
    resolved_at: datetime | None
    discard_reason: str


class ShownLetter(Struct):
    """A dead letter with its event as text."""

    letter: DeadLetter
    event: str


class Replay(Struct):
    """A replay by filter: of `total` letters, `done` were applied, and `failed` failed again."""

    requested_at: datetime
    total: int
    over_limit: int
    done: int
    failed: int
    blocked_by: str
    finished_at: datetime | None


class StuckWork(Struct):
    """Work that has failed for more than ten minutes."""

    id: str
    kind: str
    since: datetime
    attempts: int
    reason: str


class StuckOf(Struct):
    """The stuck work of a service, oldest first; None if the service is unavailable."""

    service: str
    work: Page[StuckWork] | None


class DeadLettersView(View):
    """The content of the page; letters and replays may be unavailable."""

    letters: list[ShownLetter] | None
    next_cursor: str
    filter: LetterFilter
    replays: list[Replay]
    stuck: list[StuckOf]
    done: str
    failure: Failure


async def dead_letters(visit: Visit) -> Response:
    """Show the dead letters of a filter, and the stuck work."""
    done = visit.request.query_params.get("done", "")
    return await _page(visit, Failure(), done=done if done in _ACTS else "")


async def _replay(visit: Visit, form: dict[str, str]) -> None:
    await visit.api.send("POST", f"{_LETTERS}/{hidden_id(form)}/replay", {}, Ignored, key=form_key(form))


async def _discard(visit: Visit, form: dict[str, str]) -> None:
    body = {"reason": form.get("reason", "").strip()}
    await visit.api.send("POST", f"{_LETTERS}/{hidden_id(form)}/discard", body, Ignored, key=form_key(form))


async def _replay_all(visit: Visit, form: dict[str, str]) -> None:
    criteria = _filter_of(visit).criteria
    await visit.api.send("POST", f"{_LETTERS}/replay", criteria, Ignored, key=form_key(form))


async def _retry(visit: Visit, form: dict[str, str]) -> None:
    await visit.api.send("POST", f"{_stuck(form)}/retry", {}, Ignored, key=form_key(form))


async def _give_up(visit: Visit, form: dict[str, str]) -> None:
    body = {"reason": form.get("reason", "").strip()}
    await visit.api.send("POST", f"{_stuck(form)}/give-up", body, Ignored, key=form_key(form))


_ACTS: Final[dict[str, Callable[[Visit, dict[str, str]], Awaitable[None]]]] = {
    "replay": _replay,
    "discard": _discard,
    "replay-all": _replay_all,
    "retry": _retry,
    "give-up": _give_up,
}


async def _act(name: str, visit: Visit) -> Response:
    """Send the request of a form, and return to the list with its filter."""
    await require_admin(visit)
    form = await visit.form()
    try:
        await _ACTS[name](visit, form)
    except AppError as error:
        typed = {field: form.get(field, "") for field in ("id", "reason")}
        return await _page(visit, failure_of(error, name, typed), status=error.status)
    return visit.redirect(_filter_of(visit).url(PATH, done=name))


ACTS: Final = {f"{PATH}/{name}": partial(_act, name) for name in _ACTS}
"""The forms of the page, by the path that each posts to."""


async def _page(visit: Visit, failure: Failure, *, done: str = "", status: int = 200) -> Response:
    await require_admin(visit)
    api, chosen = visit.api, _filter_of(visit)
    wanted = "" if chosen.status == "all" else chosen.status
    query = {**chosen.criteria, "status": wanted, "cursor": chosen.cursor}
    letters, replays, stuck = await asyncio.gather(
        secondary(api.get(_LETTERS, Page[DeadLetter], limit=_LIMIT, **query)),
        secondary(api.get("/kafka/api/replays", Page[Replay], limit=_REPLAYS)),
        asyncio.gather(
            *(secondary(api.get(f"/{name}/api/stuck", Page[StuckWork], limit=_LIMIT)) for name in STUCK_SERVICES)
        ),
    )
    view = DeadLettersView(
        None if letters is None else [ShownLetter(letter, _event(letter.envelope)) for letter in letters.items],
        "" if letters is None else letters.next_cursor or "",
        chosen,
        [] if replays is None else [one for one in replays.items if one.finished_at is None],
        [StuckOf(service, work) for service, work in zip(STUCK_SERVICES, stuck, strict=True)],
        done,
        failure,
    )
    return await visit.page("dead_letters", view, status=status)


def _filter_of(visit: Visit) -> LetterFilter:
    return choices_of(LetterFilter, visit.request.query_params, max_text=_MAX_TEXT)


def _event(envelope: msgspec.Raw) -> str:
    """Return an event as text; the API has it as JSON, or as text if it is not valid JSON."""
    found = msgspec.json.decode(envelope)
    return found if isinstance(found, str) else msgspec.json.format(bytes(envelope), indent=2).decode()


def _stuck(form: dict[str, str]) -> str:
    """Return the path of stuck work.

    Raises:
        NotFound: no service has such work.
    """
    service, work = form.get("service", ""), form.get("id", "")
    if service not in STUCK_SERVICES or not work.isprintable() or not work or set("/?#%") & set(work):
        raise NotFound
    return f"/{service}/api/stuck/{work}"
