"""Mails are stored, or sent to a real mail server that is not always available."""

import asyncio
import signal
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from nextbuy.contracts.auth import Account, Accounts, GetAccounts
from nextbuy.contracts.errors import NotFound, Unavailable, Unprocessable
from nextbuy.contracts.message import Event
from nextbuy.contracts.values import Role, new_id
from nextbuy.kit.config_mail import Smtp
from nextbuy.kit.observability.telemetry import current_span, start_span, use_span
from nextbuy.kit.storage.database import Row
from nextbuy.notification.deps import Deps
from nextbuy.notification.mail import MailRef, mail
from nextbuy.notification.mailer import MAX_DURATION, SmtpMailer, StoredMailer, mailer_for
from nextbuy.notification.mails import ListMails, mails
from nextbuy.notification.model import Mail
from nextbuy.notification.purge_mails import purge_mails
from nextbuy.notification.send_mails import BATCH, send_mails
from nextbuy.notification.store.mails import LEASES, Outcome, claim, record_results
from tests.callers import account, caller
from tests.doubles import StubCalls
from tests.notification.mail_server import MailServer
from tests.notification.test_drafts import BUYER, SELLER, order_created, payment_refunded
from tests.notification.test_notify_accounts import notify as notify_by

MAYA = account(Role.BUYER, account_id=BUYER)
INES = Account(SELLER, "ines@example.test", "Ines", Role.SELLER)
ADMIN = account(Role.ADMIN)
PROCESS = Path(__file__).with_name("mail_process.py")


@pytest.fixture(autouse=True)
def known(calls: StubCalls) -> None:
    """Auth knows the buyer and the seller."""
    people = {who.id: who for who in (MAYA, INES)}
    calls.replies[GetAccounts] = lambda call: Accounts(
        [people[one] for one in call.account_ids if one in people],
        [one for one in call.account_ids if one not in people],
    )


def with_smtp(deps: Deps, smtp: Smtp) -> Deps:
    """Return `deps` with a mailer for this server."""
    return replace(deps, mailer=SmtpMailer(smtp))


async def notify(deps: Deps, *events: Event) -> None:
    """Apply new events in one batch while a mail server is configured."""
    await notify_by(with_smtp(deps, Smtp(host="mail.test", sender="shop@nextbuy.test")), *events)


async def rows(deps: Deps) -> list[Row]:
    return await deps.database.fetch("SELECT * FROM mails ORDER BY id")


async def due_now(deps: Deps) -> None:
    """Make all waiting mails due."""
    await deps.database.execute("UPDATE mails SET due_at = now() WHERE due_at IS NOT NULL")


async def statuses(deps: Deps) -> list[str]:
    return [row["status"] for row in await rows(deps)]


# ── stored ──


async def test_without_mail_server_mails_are_stored_at_once_and_read_by_admins(deps: Deps, calls: StubCalls) -> None:
    await notify_by(deps, order_created())

    assert {(row["status"], row["attempts"], row["due_at"]) for row in await rows(deps)} == {("stored", 0, None)}
    assert calls.of_type(GetAccounts) == []
    assert not await send_mails(deps)

    page = await mails(deps, caller(ADMIN), ListMails(status="stored"))
    assert {(one.recipient, one.kind) for one in page.items} == {
        ("buyer@example.test", "order-placed"),
        ("ines@example.test", "order-received"),
    }

    whole = await mail(deps, caller(ADMIN), MailRef(page.items[0].id))
    assert (whole.subject, whole.recipient) == (page.items[0].subject, page.items[0].recipient)
    assert "http://127.0.0.1:8080/order/" in whole.body
    assert (await mails(deps, caller(ADMIN), ListMails(status="waiting"))).items == []

    with pytest.raises(NotFound):
        await mail(deps, caller(ADMIN), MailRef(new_id()))


async def test_addresses_of_stored_mails_are_requested_in_one_call(deps: Deps, calls: StubCalls) -> None:
    await notify_by(deps, *(order_created() for _ in range(10)))

    page = await mails(deps, caller(ADMIN), ListMails(limit=100))

    assert {one.recipient for one in page.items} == {MAYA.email, INES.email}
    assert len(calls.of_type(GetAccounts)) == 1


async def test_stored_mail_to_deleted_account_has_no_recipient(deps: Deps) -> None:
    await notify_by(deps, msgspec.structs.replace(payment_refunded(), buyer_id=new_id()))

    page = await mails(deps, caller(ADMIN), ListMails())

    assert [one.recipient for one in page.items] == [""]


async def test_mails_written_for_a_server_are_stored_once_it_is_unset(deps: Deps) -> None:
    await notify(deps, order_created())
    assert await statuses(deps) == ["waiting", "waiting"]

    await send_mails(deps)

    assert await statuses(deps) == ["stored", "stored"]


async def test_mails_are_listed_newest_first_page_by_page(deps: Deps) -> None:
    await notify(deps, *(order_created() for _ in range(3)))
    await send_mails(deps)
    seen: list[Mail] = []
    request = ListMails(limit=4)
    while True:
        page = await mails(deps, caller(ADMIN), request)
        seen += page.items
        if page.next_cursor is None:
            break
        request = ListMails(limit=4, cursor=page.next_cursor)

    assert [one.id for one in seen] == sorted((row["id"] for row in await rows(deps)), reverse=True)
    assert len(seen) == 6

    with pytest.raises(Unprocessable):
        await mails(deps, caller(ADMIN), ListMails(cursor="nonsense"))


async def test_email_addresses_are_requested_in_one_call(deps: Deps, calls: StubCalls) -> None:
    await notify(deps, *(order_created() for _ in range(20)))
    await send_mails(deps)

    assert len(calls.of_type(GetAccounts)) == 1
    assert set(await statuses(deps)) == {"stored"}


async def test_only_mail_to_deleted_account_fails(deps: Deps) -> None:
    await notify(deps, order_created(), msgspec.structs.replace(payment_refunded(), buyer_id=new_id()))
    await send_mails(deps)

    assert sorted(await statuses(deps)) == ["failed", "stored", "stored"]

    [lost] = [row for row in await rows(deps) if row["status"] == "failed"]
    assert (lost["reason"], lost["recipient"]) == ("the account no longer exists", "")


async def test_unavailable_auth_costs_mails_no_attempt(deps: Deps, calls: StubCalls) -> None:
    await notify(deps, order_created())
    calls.replies[GetAccounts], knows = Unavailable("unavailable"), calls.replies[GetAccounts]

    with pytest.raises(Unavailable):
        await send_mails(deps)

    assert {(row["status"], row["attempts"]) for row in await rows(deps)} == {("waiting", 0)}

    calls.replies[GetAccounts] = knows
    await send_mails(deps)

    assert {(row["status"], row["attempts"]) for row in await rows(deps)} == {("stored", 1)}


async def test_concurrent_jobs_send_each_mail_once(deps: Deps) -> None:
    await notify(deps, *(order_created() for _ in range(BATCH)))
    server = MailServer()
    async with server.open() as smtp:
        sending = with_smtp(deps, smtp)
        while await deps.database.fetchval("SELECT true FROM mails WHERE status = 'waiting' LIMIT 1"):
            await asyncio.gather(*(send_mails(sending) for _ in range(4)))

    assert len(server.accepted) == len({one["Message-ID"] for one in server.mails}) == 2 * BATCH


# ── to a server ──


async def test_sent_mail_has_expected_headers_and_body(deps: Deps) -> None:
    await notify(deps, payment_refunded())
    server = MailServer()
    async with server.open() as smtp:
        await send_mails(with_smtp(deps, smtp))
    [row], [got] = await rows(deps), server.mails

    assert (row["status"], row["recipient"], row["done_at"] is not None) == ("sent", MAYA.email, True)
    assert server.recipients == [MAYA.email]
    assert (got["To"], got["From"]) == (MAYA.email, '"Next, Buy" <shop@nextbuy.test>')
    assert got["Subject"] == "Your payment was refunded · NextBuy"
    assert got["Message-ID"] == f"<{row['id']}@nextbuy.test>"
    assert got["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in got.iter_parts()] == ["text/plain", "text/html"]
    parts = [part.get_content().replace("\r\n", "\n") for part in got.iter_parts()]
    assert parts == [row["body"], row["html"]]


async def test_temporary_rejection_is_retried(deps: Deps) -> None:
    await notify(deps, payment_refunded())
    server = MailServer()

    def busy_at_first(offered: int) -> str:
        return "451 busy" if offered == 0 else "250 accepted"

    server.reply_to_data = busy_at_first
    async with server.open() as smtp:
        sending = with_smtp(deps, smtp)
        await send_mails(sending)
        [row] = await rows(deps)
        assert (row["status"], row["attempts"], row["reason"]) == ("waiting", 1, "451 busy")
        assert row["due_at"] > row["created_at"]
        assert not await send_mails(sending)
        assert server.offered == 1
        await due_now(deps)
        await send_mails(sending)
    [row] = await rows(deps)

    assert (row["status"], row["attempts"], row["reason"]) == ("sent", 2, "")
    assert len(server.accepted) == 1


async def test_permanent_rejection_fails_with_reply_of_server(deps: Deps) -> None:
    await notify(deps, order_created())
    server = MailServer()
    server.reply_to_recipient = lambda address: "550 no such mailbox" if address == INES.email else "250 OK"
    async with server.open() as smtp:
        await send_mails(with_smtp(deps, smtp))
        await due_now(deps)
        await send_mails(with_smtp(deps, smtp))
    found = {row["recipient"]: (row["status"], row["reason"], row["attempts"]) for row in await rows(deps)}

    assert found == {MAYA.email: ("sent", "", 1), INES.email: ("failed", "550 no such mailbox", 1)}
    assert server.recipients == [MAYA.email]


async def test_unavailable_server_leaves_mails_waiting(deps: Deps) -> None:
    await notify(deps, order_created())
    server = MailServer()
    async with server.open() as smtp:
        pass

    sending = with_smtp(deps, smtp)

    assert not await send_mails(sending)
    assert await statuses(deps) == ["waiting", "waiting"]
    assert all("onnect" in row["reason"] for row in await rows(deps))

    async with server.open(port=smtp.port):
        await due_now(deps)
        await send_mails(sending)
    assert await statuses(deps) == ["sent", "sent"]
    assert len(server.accepted) == 2


async def test_disconnecting_server_gets_each_mail_once(deps: Deps) -> None:
    await notify(deps, order_created(), order_created(), order_created())
    server = MailServer()
    server.reply_to_data = lambda offered: "421 closing" if offered == 2 else "250 accepted"
    async with server.open() as smtp:
        sending = with_smtp(deps, smtp)
        for _ in range(3):
            await due_now(deps)
            await send_mails(sending)

    assert await statuses(deps) == ["sent"] * 6
    assert len({one["Message-ID"] for one in server.mails}) == len(server.accepted) == 6


async def test_mail_fails_after_three_days_with_last_reason(deps: Deps) -> None:
    await notify(deps, payment_refunded())
    server = MailServer()
    server.reply_to_data = lambda _: "452 full"
    async with server.open() as smtp:
        await deps.database.execute("UPDATE mails SET created_at = now() - interval '73 hours', attempts = 7")
        await send_mails(with_smtp(deps, smtp))
    [row] = await rows(deps)

    assert (row["status"], row["reason"]) == ("failed", "no success in 8 attempts; the last: 452 full")


async def test_crash_before_recording_sends_identical_mail_again(deps: Deps, notification_url: str) -> None:
    await notify(deps, payment_refunded())

    server = MailServer()
    async with server.open() as smtp:
        command = [sys.executable, str(PROCESS), notification_url, str(smtp.port), str(MAYA.id), MAYA.email]
        process = await asyncio.create_subprocess_exec(*command)
        server.after_accepting = process.kill
        assert await process.wait() == -signal.SIGKILL
        [row] = await rows(deps)
        assert (row["status"], row["attempts"], row["done_at"]) == ("waiting", 1, None)
        assert not await send_mails(with_smtp(deps, smtp))
        server.after_accepting = lambda: None
        await due_now(deps)
        await send_mails(with_smtp(deps, smtp))

    assert await statuses(deps) == ["sent"]

    first, second = server.accepted
    assert first == second


async def test_outcome_under_lost_lease_is_ignored(deps: Deps) -> None:
    await notify(deps, payment_refunded())
    [taken] = await claim(deps.database, limit=1)

    assert await claim(deps.database, limit=1) == []
    assert taken.until - taken.created_at >= timedelta(seconds=LEASES.seconds)
    assert LEASES.seconds > MAX_DURATION

    await due_now(deps)
    [other] = await claim(deps.database, limit=1)
    late = Outcome(mail_id=taken.id, status="failed", reason="too late", recipient=MAYA.email, delay=1.0)
    await record_results(deps.database, taken.until, [late])
    await LEASES.release(deps.database, [taken.id], taken.until)
    [row] = await rows(deps)

    assert (row["status"], row["attempts"], row["due_at"]) == ("waiting", 2, other.until)

    await record_results(
        deps.database,
        other.until,
        [Outcome(mail_id=other.id, status="sent", reason="", recipient=MAYA.email, delay=1.0)],
    )
    await record_results(deps.database, taken.until, [late])

    assert await statuses(deps) == ["sent"]


async def test_old_mails_are_purged(deps: Deps) -> None:
    await notify(deps, order_created())
    await send_mails(deps)
    await deps.database.execute(
        """
        INSERT INTO mails (id, account_id, source_event_id, kind, about, reports_state, subject, body, status, due_at,
                           done_at, created_at)
        SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'k', 'shop:1', true, 's', 'b', 'sent', NULL,
               now(), now() - interval '91 days' - n * interval '1 second' FROM generate_series(1, 1500) AS n
        """
    )

    await purge_mails(deps)

    assert len(await rows(deps)) == 2


async def test_due_mails_are_found_by_index(deps: Deps) -> None:
    await deps.database.execute(
        """
        INSERT INTO mails
               (id, account_id, source_event_id, kind, about, reports_state, subject, body, status, due_at, done_at)
        SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'k', 'shop:1', true, 's', 'b', 'sent', NULL,
               now()
          FROM generate_series(1, 20000)
        """
    )
    await deps.database.execute("ANALYZE mails")

    plan = await deps.database.fetch("EXPLAIN SELECT id FROM mails WHERE due_at <= now() ORDER BY due_at LIMIT 50")

    assert "mails_due" in "\n".join(row[0] for row in plan)


def test_mailer_depends_on_configured_server() -> None:
    assert isinstance(mailer_for(Smtp()), StoredMailer)
    assert isinstance(mailer_for(Smtp(host="mail.test", sender="a@b.test")), SmtpMailer)


async def test_accounts_of_a_batch_are_requested_in_a_span_linked_to_each_event(deps: Deps, calls: StubCalls) -> None:
    await notify(deps, order_created(), payment_refunded())
    traces = {row["traceparent"].split("-")[1] for row in await rows(deps)}
    spans = []

    def look(call: GetAccounts) -> Accounts:
        spans.append(current_span())
        return Accounts([MAYA, INES][: len(call.account_ids)], [])

    calls.replies[GetAccounts] = look
    with use_span(start_span()) as job:
        await send_mails(deps)

    [span] = spans
    assert len(traces) == 2
    assert (set(span.links), span.trace_id, span.sampled) == (traces, job.trace_id, True)
