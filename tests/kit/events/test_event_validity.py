"""An event that breaks a bound, or contains NUL, is neither published nor applied."""

from typing import Annotated

import msgspec
import pytest
from msgspec import Meta
from msgspec.structs import replace

from nextbuy.contracts.delivery import EventEntry
from nextbuy.contracts.message import Event
from nextbuy.kit.events.inbound import has_nul
from nextbuy.kit.service import subscribe
from nextbuy.kit.storage.database import Database
from tests.kit.events.sample import (
    RECORD_EFFECTS,
    Counted,
    ReceiverHarness,
    applied,
    commit,
    count,
    deliver,
    entry,
    outcomes,
    record_effects,
    rejections_in,
)


class Named(Event, topic="test.named", key="about"):
    about: Annotated[str, Meta(max_length=9)]
    n: Annotated[int, Meta(ge=0, le=9)]
    nicknames: Annotated[list[str], Meta(max_length=2)]


RECORD_NAMED = subscribe("record-named", Named, record_effects)


def with_text(text: str) -> EventEntry:
    """Return an event of another publisher, whose text is written as given in JSON."""
    known = entry(Counted(about="a", n=1))
    body = bytes(known.envelope).replace(b'"about":"a"', b'"about":"%s"' % text.encode())
    return replace(known, envelope=msgspec.Raw(body))


async def test_event_with_nul_is_rejected_with_that_reason_and_others_are_applied(harness: ReceiverHarness) -> None:
    receiver = await harness.receiver(RECORD_EFFECTS)

    results = await deliver(
        receiver, entry(Counted(about="a", n=0)), with_text("a\\u0000b"), entry(Counted(about="a", n=2))
    )

    assert outcomes(results) == ["applied", "rejected", "applied"]
    [reason] = await rejections_in(harness.database)
    assert reason == "Invalid data for the type: a text contains the NUL character"
    assert await applied(harness.database) == [0, 2]


async def test_escaped_escape_is_no_nul(harness: ReceiverHarness) -> None:
    receiver = await harness.receiver(RECORD_EFFECTS)

    assert outcomes(await deliver(receiver, with_text("\\\\u0000"))) == ["applied"]


@pytest.mark.parametrize(
    ("invalid", "reason"),
    [
        (Named(about="x" * 10, n=1, nicknames=[]), "about: Too long. Use at most 9 characters."),
        (Named(about="a", n=10, nicknames=[]), "n: Too large. Send 9 or less."),
        (Named(about="a", n=1, nicknames=["b"] * 3), "nicknames: Too many entries. Send at most 2."),
    ],
    ids=["text", "number", "list"],
)
async def test_event_that_breaks_a_bound_is_rejected_and_never_published(
    harness: ReceiverHarness, publisher: Database, invalid: Named, reason: str
) -> None:
    receiver = await harness.receiver(RECORD_NAMED)
    assert outcomes(await deliver(receiver, entry(invalid, RECORD_NAMED.name))) == ["rejected"]
    [rejection] = await rejections_in(harness.database)
    assert reason in rejection

    with pytest.raises(ValueError, match=r"test\.named event invalid"):
        await commit(publisher, Named(about="a", n=1, nicknames=[]), invalid)
    assert await count(publisher, "event_log") == 0


async def test_event_with_nul_is_never_published(publisher: Database) -> None:
    with pytest.raises(ValueError, match="NUL"):
        await commit(publisher, Named(about="a\0", n=1, nicknames=[]))
    with pytest.raises(ValueError, match="NUL"):
        await commit(publisher, Named(about="a", n=1, nicknames=["\0"]))
    await commit(publisher, Named(about="\\u0000", n=1, nicknames=[]))
    assert await count(publisher, "event_log") == 1


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (rb'{"a":"\u0000"}', True),
        (rb'{"a":[{"\u0000":1}]}', True),
        (rb'["\\\u0000"]', True),
        (rb'["\\u0000"]', False),
        (rb'["u0000"]', False),
    ],
)
def test_nul_is_found_in_texts_and_names(body: bytes, found: bool) -> None:  # noqa: FBT001
    assert has_nul(body) is found
