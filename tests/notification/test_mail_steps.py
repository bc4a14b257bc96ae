"""Mails are part of the story of their event."""

from dataclasses import replace

import msgspec

from nextbuy.contracts.auth import Accounts, GetAccounts
from nextbuy.kit.observability.interaction import InteractionLine
from nextbuy.kit.observability.telemetry import Journal, trace_id_of
from nextbuy.notification.deps import Deps
from nextbuy.notification.send_mails import send_mails
from tests.doubles import StubCalls
from tests.notification.mail_server import MailServer
from tests.notification.test_drafts import order_created
from tests.notification.test_notify_accounts import notify
from tests.notification.test_send_mails import INES, MAYA, rows, with_smtp

DECODE = msgspec.json.Decoder(InteractionLine).decode


async def test_mail_is_a_step_in_the_trace_of_its_event_without_an_address(deps: Deps, calls: StubCalls) -> None:
    lines: list[tuple[InteractionLine, bytes]] = []
    journal = Journal(recorder=lambda _one, line, sampled: lines.append((DECODE(line), line)))  # noqa: ARG005
    deps = replace(deps, journal=journal)
    event = order_created()
    calls.replies[GetAccounts] = Accounts([MAYA, INES])
    server = MailServer()
    refusal = f"550 <{INES.email}> no such mailbox"
    server.reply_to_recipient = lambda address: refusal if address == INES.email else "250 OK"
    async with server.open() as smtp:
        batch = await notify(with_smtp(deps, smtp), event)
        await send_mails(with_smtp(deps, smtp))

    steps = {(one.name, one.outcome, one.reason) for one, _ in lines}
    assert steps == {
        ("mail", "order-placed sent", ""),
        ("mail", "order-received failed", "550 <[hidden]> no such mailbox"),
    }
    traces = {trace_id_of(one.envelope.traceparent) for one in batch}
    assert {one.trace_id for one, _ in lines} == traces
    assert {one.complete().ids["session"][0] for one, _ in lines} == {str(event.session_id)}
    sent = {some for one, _ in lines for some in one.complete().ids["mail"]}
    assert sent == {str(row["id"]) for row in await rows(deps)}
    assert not any(b"@" in line for _, line in lines)
