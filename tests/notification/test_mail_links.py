"""Mails with a link: auth creates its token when the mail is sent, and no stored copy has it."""

import logging
from dataclasses import replace
from uuid import UUID

import pytest

from nextbuy.contracts.auth import IssuedLink, IssuedLinks, IssueLinks, PasswordResetRequested
from nextbuy.contracts.errors import Unavailable
from nextbuy.contracts.values import Role, new_id
from nextbuy.notification.deps import Deps
from nextbuy.notification.mail import MailRef, mail
from nextbuy.notification.mailer import SmtpMailer
from nextbuy.notification.send_mails import send_mails
from tests.callers import account, caller
from tests.doubles import StubCalls
from tests.notification.mail_server import MailServer, text_of
from tests.notification.test_drafts import BUYER
from tests.notification.test_notify_accounts import notify
from tests.notification.test_send_mails import due_now, rows

LINK = new_id()
TOKEN = "A-token_of_forty-three_characters_000000000"
URL = "http://127.0.0.1:8080/reset-password?token="
REQUESTED = PasswordResetRequested(account_id=BUYER, link_id=LINK)


def issued(link_id: UUID = LINK, token: str = TOKEN) -> IssuedLink:
    return IssuedLink(link_id, "buyer@example.test", token)


@pytest.fixture(autouse=True)
def valid(calls: StubCalls) -> None:
    """Auth has the link."""
    calls.replies[IssueLinks] = IssuedLinks([issued()])


async def test_sent_mail_has_link_and_stored_copy_hides_it(
    deps: Deps, calls: StubCalls, caplog: pytest.LogCaptureFixture
) -> None:
    server = MailServer()
    with caplog.at_level(logging.DEBUG):
        async with server.open() as smtp:
            with_server = replace(deps, mailer=SmtpMailer(smtp))
            await notify(with_server, REQUESTED)
            assert calls.of_type(IssueLinks) == []
            await send_mails(with_server)

    [sent] = server.mails
    assert sent["To"] == "buyer@example.test"
    assert f"{URL}{TOKEN}" in text_of(sent).splitlines()[4]
    [row] = await rows(deps)
    assert (row["status"], row["recipient"]) == ("sent", "buyer@example.test")
    assert f"{URL}[hidden]\n" in row["body"]
    assert f'href="{URL}[hidden]"' in row["html"]
    assert TOKEN not in f"{row} {caplog.text}"


async def test_without_mail_server_the_stored_mail_is_the_mailbox(deps: Deps) -> None:
    await notify(deps, REQUESTED)
    await send_mails(deps)

    [row] = await rows(deps)
    read = await mail(deps, caller(account(Role.ADMIN)), MailRef(row["id"]))

    assert (read.status, read.recipient) == ("stored", "buyer@example.test")
    assert f"{URL}{TOKEN}\n" in read.body
    assert f'href="{URL}{TOKEN}"' in read.html


async def test_each_attempt_has_a_token_of_its_own(deps: Deps, calls: StubCalls) -> None:
    tokens = iter([f"{number:043}" for number in range(2)])
    calls.replies[IssueLinks] = lambda _: IssuedLinks([issued(token=next(tokens))])
    server = MailServer()
    server.reply_to_data = lambda earlier: "250 OK" if earlier else "451 busy"
    async with server.open() as smtp:
        with_server = replace(deps, mailer=SmtpMailer(smtp))
        await notify(with_server, REQUESTED)
        await send_mails(with_server)
        assert "[hidden]" in (await rows(deps))[0]["body"]
        await due_now(deps)
        await send_mails(with_server)

    assert [f"{1:043}" in text_of(sent) for sent in server.mails] == [True]


async def test_mail_with_invalid_link_is_not_sent(deps: Deps, calls: StubCalls) -> None:
    calls.replies[IssueLinks] = IssuedLinks([], [LINK])
    await notify(deps, REQUESTED)

    await send_mails(deps)

    [row] = await rows(deps)
    assert (row["status"], row["reason"], row["recipient"]) == ("failed", "the link is no longer valid", "")
    assert "[hidden]" in row["body"]


async def test_links_of_a_batch_are_requested_in_one_call(deps: Deps, calls: StubCalls) -> None:
    calls.replies[IssueLinks] = lambda call: IssuedLinks(
        [issued(one, f"{number:043}") for number, one in enumerate(call.link_ids)]
    )
    await notify(deps, *(PasswordResetRequested(account_id=BUYER, link_id=new_id()) for _ in range(10)))

    await send_mails(deps)

    assert len(calls.of_type(IssueLinks)) == 1
    assert {row["status"] for row in await rows(deps)} == {"stored"}


async def test_mail_waits_while_auth_is_unavailable(deps: Deps, calls: StubCalls) -> None:
    calls.replies[IssueLinks] = Unavailable("auth is unavailable")
    await notify(deps, REQUESTED)

    with pytest.raises(Unavailable):
        await send_mails(deps)

    assert [(row["status"], row["attempts"]) for row in await rows(deps)] == [("waiting", 0)]
