"""Mails that keep failing are listed, sent on request, and given up by an admin."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from nextbuy.contracts.auth import Accounts, GetAccounts
from nextbuy.contracts.errors import Conflict
from nextbuy.contracts.values import PageRequest, Role
from nextbuy.kit.stuck import GiveUp, Stuck, StuckRef
from nextbuy.notification.audit import audit
from nextbuy.notification.deps import Deps
from nextbuy.notification.give_up_stuck import give_up_stuck
from nextbuy.notification.mailer import SmtpMailer
from nextbuy.notification.mails import ListMails, mails
from nextbuy.notification.retry_stuck import retry_stuck
from nextbuy.notification.send_mails import send_mails
from nextbuy.notification.store.mails import claim
from nextbuy.notification.stuck import stuck
from tests.callers import account, caller
from tests.doubles import StubCalls
from tests.notification.mail_server import MailServer
from tests.notification.test_drafts import BUYER, payment_refunded
from tests.notification.test_notify_accounts import notify

ADMIN = caller(account(Role.ADMIN))
MAYA = account(Role.BUYER, account_id=BUYER)


@pytest.fixture
def server() -> MailServer:
    """A mail server that is busy."""
    server = MailServer()
    server.reply_to_data = lambda _: "451 busy"
    return server


@pytest.fixture
async def sending(deps: Deps, calls: StubCalls, server: MailServer) -> AsyncIterator[Deps]:
    """The service with that mail server, and a mail that has failed for a quarter of an hour."""
    calls.replies[GetAccounts] = lambda _: Accounts([MAYA])
    async with server.open() as smtp:
        sending = replace(deps, mailer=SmtpMailer(smtp))
        await notify(sending, payment_refunded())
        for _ in range(2):
            await deps.database.execute("UPDATE mails SET due_at = now()")
            await send_mails(sending)
        await deps.database.execute("UPDATE mails SET failing_since = failing_since - interval '15 minutes'")
        yield sending


async def listed(deps: Deps) -> list[Stuck]:
    return (await stuck(deps, ADMIN, PageRequest())).items


async def test_mail_that_keeps_failing_is_listed_with_the_reply_of_the_server(sending: Deps) -> None:
    [work] = await listed(sending)

    assert (work.kind, work.attempts, work.reason) == ("mail", 2, "451 busy")
    assert [mail.id for mail in (await mails(sending, ADMIN, ListMails())).items] == [
        await sending.database.fetchval("SELECT id FROM mails WHERE id::text = $1", work.id)
    ]


async def test_retried_mail_is_sent(sending: Deps, server: MailServer) -> None:
    [work] = await listed(sending)
    server.reply_to_data = lambda _: "250 accepted"
    await send_mails(sending)
    assert server.accepted == []

    await retry_stuck(sending, ADMIN, StuckRef(work.id))
    await send_mails(sending)

    assert len(server.accepted) == 1
    assert await listed(sending) == []


async def test_given_up_mail_is_failed_with_the_reason(sending: Deps, server: MailServer) -> None:
    [work] = await listed(sending)

    await give_up_stuck(sending, ADMIN, GiveUp(work.id, "the mailbox is closed"))
    server.reply_to_data = lambda _: "250 accepted"
    await send_mails(sending)

    [mail] = (await mails(sending, ADMIN, ListMails(status="failed"))).items
    assert (mail.reason, mail.attempts) == ("given up: the mailbox is closed", 2)
    assert server.accepted == []
    [entry] = (await audit(sending, ADMIN, PageRequest())).items
    assert (entry.action, entry.subject) == ("give-up-stuck", work.id)


async def test_mail_that_is_being_sent_cannot_be_given_up(sending: Deps) -> None:
    [work] = await listed(sending)
    await sending.database.execute("UPDATE mails SET due_at = now()")
    assert len(await claim(sending.database, limit=1)) == 1

    with pytest.raises(Conflict):
        await give_up_stuck(sending, ADMIN, GiveUp(work.id, "too slow"))
