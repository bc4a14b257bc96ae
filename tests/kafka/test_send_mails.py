"""Mails go away: to be kept, or to a real mail server that is not always willing."""

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
from nextbuy.contracts.values import Role, new_id
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.mailer import LONGEST, SmtpMailer, StoredMailer, mailer_of
from nextbuy.kafka.mails.mail import OfMail, mail
from nextbuy.kafka.mails.mails import Mails, mails
from nextbuy.kafka.mails.purge_mails import purge_mails
from nextbuy.kafka.mails.send_mails import BATCH, send_mails
from nextbuy.kafka.model import Mail
from nextbuy.kafka.store.mails import LEASES, Outcome, claim, record_results
from nextbuy.kit.config import Smtp
from nextbuy.kit.storage.database import Row
from tests.callers import account, caller
from tests.doubles import StubCalls
from tests.kafka.post_office import PostOffice
from tests.kafka.test_drafts import BUYER, SELLER, created
from tests.kafka.test_notify_accounts import tell

MAYA = account(Role.BUYER, account_id=BUYER)
INES = Account(SELLER, "ines@example.test", "Ines", Role.SELLER)
ADMIN = account(Role.ADMIN)
VICTIM = Path(__file__).with_name("mail_victim.py")


@pytest.fixture(autouse=True)
def known(calls: StubCalls) -> None:
    """Auth knows the buyer and the seller."""
    everybody = {who.id: who for who in (MAYA, INES)}
    calls.replies[GetAccounts] = lambda call: Accounts([everybody[i] for i in call.account_ids if i in everybody])


def by(deps: Deps, smtp: Smtp) -> Deps:
    """The same, with mails going to this server."""
    return replace(deps, mailer=SmtpMailer(smtp))


async def rows(deps: Deps) -> list[Row]:
    return await deps.database.fetch("SELECT * FROM mails ORDER BY id")


async def due_now(deps: Deps) -> None:
    """Let the wait be over."""
    await deps.database.execute("UPDATE mails SET due_at = now() WHERE due_at IS NOT NULL")


async def statuses(deps: Deps) -> list[str]:
    return [row["status"] for row in await rows(deps)]


# ── kept ──


async def test_without_a_mail_server_mails_are_kept_and_read_by_admins(deps: Deps) -> None:
    await tell(deps, created())
    assert not await send_mails(deps)
    page = await mails(deps, caller(ADMIN), Mails(status="kept"))
    assert {(one.recipient, one.kind) for one in page.items} == {
        ("buyer@example.test", "order-placed"),
        ("ines@example.test", "order-received"),
    }
    whole = await mail(deps, caller(ADMIN), OfMail(page.items[0].id))
    assert whole.subject == page.items[0].subject
    assert "http://127.0.0.1:8080/order/" in whole.body
    assert (await mails(deps, caller(ADMIN), Mails(status="waiting"))).items == []
    with pytest.raises(NotFound):
        await mail(deps, caller(ADMIN), OfMail(new_id()))


async def test_mails_are_read_newest_first_page_by_page(deps: Deps) -> None:
    await tell(deps, *(created() for _ in range(3)))
    await send_mails(deps)
    seen: list[Mail] = []
    ask = Mails(limit=4)
    while True:
        page = await mails(deps, caller(ADMIN), ask)
        seen += page.items
        if page.next_cursor is None:
            break
        ask = Mails(limit=4, cursor=page.next_cursor)
    assert [one.id for one in seen] == sorted((row["id"] for row in await rows(deps)), reverse=True)
    assert len(seen) == 6
    with pytest.raises(Unprocessable):
        await mails(deps, caller(ADMIN), Mails(cursor="nonsense"))


async def test_addresses_are_asked_for_all_at_once(deps: Deps, calls: StubCalls) -> None:
    await tell(deps, *(created() for _ in range(20)))
    await send_mails(deps)
    assert len(calls.of_type(GetAccounts)) == 1
    assert set(await statuses(deps)) == {"kept"}


async def test_a_mail_to_an_account_that_is_gone_fails_alone(deps: Deps) -> None:
    await tell(deps, created(), msgspec.structs.replace(created(seller_id=None), buyer_id=new_id()))
    await send_mails(deps)
    assert sorted(await statuses(deps)) == ["failed", "kept", "kept"]
    [lost] = [row for row in await rows(deps) if row["status"] == "failed"]
    assert (lost["reason"], lost["recipient"]) == ("the account is not there any more", "")


async def test_while_auth_is_away_mails_wait_and_nothing_counts_against_them(deps: Deps, calls: StubCalls) -> None:
    await tell(deps, created())
    calls.replies[GetAccounts], knows = Unavailable("away"), calls.replies[GetAccounts]
    with pytest.raises(Unavailable):
        await send_mails(deps)
    assert {(row["status"], row["attempts"]) for row in await rows(deps)} == {("waiting", 0)}
    calls.replies[GetAccounts] = knows
    await send_mails(deps)
    assert {(row["status"], row["attempts"]) for row in await rows(deps)} == {("kept", 1)}


async def test_copies_of_the_job_share_the_mails(deps: Deps) -> None:
    await tell(deps, *(created() for _ in range(BATCH)))
    office = PostOffice()
    async with office.open() as smtp:
        going = by(deps, smtp)
        while await deps.database.fetchval("SELECT true FROM mails WHERE status = 'waiting' LIMIT 1"):
            await asyncio.gather(*(send_mails(going) for _ in range(4)))
    assert len(office.taken) == len({one["Message-ID"] for one in office.mails}) == 2 * BATCH


# ── to a server ──


async def test_a_mail_is_handed_over_as_people_and_machines_read_it(deps: Deps) -> None:
    await tell(deps, created(seller_id=None))
    office = PostOffice()
    async with office.open() as smtp:
        await send_mails(by(deps, smtp))
    [row], [got] = await rows(deps), office.mails
    assert (row["status"], row["recipient"], row["done_at"] is not None) == ("sent", MAYA.email, True)
    assert office.recipients == [MAYA.email]
    assert (got["To"], got["From"]) == (MAYA.email, '"Next, Buy" <shop@nextbuy.test>')
    assert got["Subject"] == "Your order NB-7K2-1 · NextBuy"
    assert got["Message-ID"] == f"<{row['id']}@nextbuy.test>"
    assert got["Auto-Submitted"] == "auto-generated"
    assert got.get_content_type() == "text/plain"
    assert got.get_content().replace("\r\n", "\n") == row["body"]


async def test_what_is_refused_for_now_is_tried_again_and_is_the_same_mail(deps: Deps) -> None:
    await tell(deps, created(seller_id=None))
    office = PostOffice()
    kept: list[bytes] = []

    def busy_at_first(offered: int) -> str:
        return "451 busy" if offered == 0 else "250 taken"

    office.say = busy_at_first
    async with office.open() as smtp:
        going = by(deps, smtp)
        await send_mails(going)
        [row] = await rows(deps)
        assert (row["status"], row["attempts"], row["reason"]) == ("waiting", 1, "451 busy")
        assert row["due_at"] > row["created_at"]
        assert not await send_mails(going)
        assert office.offered == 1
        await due_now(deps)
        await send_mails(going)
    kept += office.taken
    [row] = await rows(deps)
    assert (row["status"], row["attempts"], row["reason"]) == ("sent", 2, "")
    assert len(kept) == 1


async def test_what_is_refused_for_good_fails_with_the_servers_words_and_holds_up_nothing(deps: Deps) -> None:
    await tell(deps, created())
    office = PostOffice()
    office.say_to = lambda address: "550 no such mailbox" if address == INES.email else "250 OK"
    async with office.open() as smtp:
        await send_mails(by(deps, smtp))
        await due_now(deps)
        await send_mails(by(deps, smtp))
    found = {row["recipient"]: (row["status"], row["reason"], row["attempts"]) for row in await rows(deps)}
    assert found == {MAYA.email: ("sent", "", 1), INES.email: ("failed", "550 no such mailbox", 1)}
    assert office.recipients == [MAYA.email]


async def test_a_server_that_is_away_is_waited_for(deps: Deps) -> None:
    await tell(deps, created())
    office = PostOffice()
    async with office.open() as smtp:
        pass
    going = by(deps, smtp)
    assert not await send_mails(going)
    assert await statuses(deps) == ["waiting", "waiting"]
    assert all("onnect" in row["reason"] for row in await rows(deps))
    async with office.open(port=smtp.port):
        await due_now(deps)
        await send_mails(going)
    assert await statuses(deps) == ["sent", "sent"]
    assert len(office.taken) == 2


async def test_a_server_that_breaks_off_gets_the_rest_later_and_nothing_twice(deps: Deps) -> None:
    await tell(deps, created(), created(), created())
    office = PostOffice()
    office.say = lambda offered: "421 closing" if offered == 2 else "250 taken"
    async with office.open() as smtp:
        going = by(deps, smtp)
        for _ in range(3):
            await due_now(deps)
            await send_mails(going)
    assert await statuses(deps) == ["sent"] * 6
    assert len({one["Message-ID"] for one in office.mails}) == len(office.taken) == 6


async def test_what_could_not_go_for_three_days_is_given_up_with_the_last_reason(deps: Deps) -> None:
    await tell(deps, created(seller_id=None))
    office = PostOffice()
    office.say = lambda _: "452 full"
    async with office.open() as smtp:
        await deps.database.execute("UPDATE mails SET created_at = now() - interval '73 hours', attempts = 7")
        await send_mails(by(deps, smtp))
    [row] = await rows(deps)
    assert (row["status"], row["reason"]) == ("failed", "given up after 8 tries: 452 full")


async def test_killed_between_the_servers_yes_and_the_note_of_it_a_mail_goes_again_and_can_be_told(
    deps: Deps, kafka_url: str
) -> None:
    await tell(deps, created(seller_id=None))
    office = PostOffice()
    async with office.open() as smtp:
        asked = [sys.executable, str(VICTIM), kafka_url, str(smtp.port), str(MAYA.id), MAYA.email]
        victim = await asyncio.create_subprocess_exec(*asked)
        office.after_taking = victim.kill
        assert await victim.wait() == -signal.SIGKILL
        [row] = await rows(deps)
        assert (row["status"], row["attempts"], row["done_at"]) == ("waiting", 1, None)
        assert not await send_mails(by(deps, smtp))
        office.after_taking = lambda: None
        await due_now(deps)
        await send_mails(by(deps, smtp))
    assert await statuses(deps) == ["sent"]
    first, second = office.taken
    assert first == second


async def test_a_lease_that_was_lost_decides_nothing(deps: Deps) -> None:
    await tell(deps, created(seller_id=None))
    [taken] = await claim(deps.database, limit=1)
    assert await claim(deps.database, limit=1) == []
    assert taken.until - taken.created_at >= timedelta(seconds=LEASES.seconds)
    assert LEASES.seconds > LONGEST
    await due_now(deps)
    [other] = await claim(deps.database, limit=1)
    late = Outcome(taken.id, "failed", "too late", MAYA.email, 1.0)
    await record_results(deps.database, taken.until, [late])
    await LEASES.release(deps.database, [taken.id], taken.until)
    [row] = await rows(deps)
    assert (row["status"], row["attempts"], row["due_at"]) == ("waiting", 2, other.until)
    await record_results(deps.database, other.until, [Outcome(other.id, "sent", "", MAYA.email, 1.0)])
    await record_results(deps.database, taken.until, [late])
    assert await statuses(deps) == ["sent"]


async def test_old_mails_are_dropped_some_at_a_time(deps: Deps) -> None:
    await tell(deps, created())
    await send_mails(deps)
    await deps.database.execute(
        """
        INSERT INTO mails (id, account_id, source_event_id, kind, subject, body, status, due_at, done_at, created_at)
        SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'k', 's', 'b', 'sent', NULL, now(),
               now() - interval '91 days' FROM generate_series(1, 1500)
        """
    )
    assert await purge_mails(deps)
    assert not await purge_mails(deps)
    assert len(await rows(deps)) == 2


async def test_due_mails_are_found_by_an_index_among_all_that_went(deps: Deps) -> None:
    await deps.database.execute(
        """
        INSERT INTO mails (id, account_id, source_event_id, kind, subject, body, status, due_at, done_at)
        SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'k', 's', 'b', 'sent', NULL, now()
          FROM generate_series(1, 20000)
        """
    )
    await deps.database.execute("ANALYZE mails")
    plan = await deps.database.fetch("EXPLAIN SELECT id FROM mails WHERE due_at <= now() ORDER BY due_at LIMIT 50")
    assert "mails_due" in "\n".join(row[0] for row in plan)


def test_where_no_server_is_set_mails_are_kept() -> None:
    assert isinstance(mailer_of(Smtp()), StoredMailer)
    assert isinstance(mailer_of(Smtp(host="mail.test", sender="a@b.test")), SmtpMailer)
