"""Every second: mails that are due are handed to the mailer, each until it is gone or cannot go.

At least once: a crash between the mail server's answer and the note of it hands the same mail over again.
"""

import logging
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final
from uuid import UUID

from nextbuy.kafka.deps import Deps
from nextbuy.kafka.mailer import DeliveryResult, Outgoing
from nextbuy.kafka.store import mails
from nextbuy.kafka.store.mails import Leased, Outcome
from nextbuy.kit.observability.telemetry import start_span, use_span
from nextbuy.kit.rpc.retry import backoff

log: Final = logging.getLogger(__name__)
BATCH: Final = 50
_LEAST, _BASE, _CAP = 1.0, 5.0, 1_800.0
"""Seconds before another try: the least and, at random, up to the base doubled each time, at most the cap."""


async def send_mails(deps: Deps) -> bool:
    """Hand over what is due; true where there may be more that can go."""
    leased = {mail.id: mail for mail in await mails.claim(deps.database, limit=BATCH)}
    if not leased:
        return False
    until = next(iter(leased.values())).until
    left, moved = set(leased), False
    try:
        accounts = await deps.auth.get_accounts(list({mail.account_id for mail in leased.values()}))
        emails = {account.id: account.email for account in accounts}
        async with aclosing(_carried(deps, list(leased.values()), emails)) as carried:
            async for some in carried:
                fates = [_fate(leased[one.mail_id], one, emails) for one in some]
                await mails.record_results(deps.database, until, fates)
                left.difference_update(fate.mail_id for fate in fates)
                moved |= any(fate.status != "waiting" for fate in fates)
    finally:
        if left:
            await mails.LEASES.release(deps.database, left, until)
    return len(leased) == BATCH and moved


async def _carried(
    deps: Deps, leased: list[Leased], emails: Mapping[UUID, str]
) -> AsyncGenerator[list[DeliveryResult], None]:
    """Say what becomes of mails; those of accounts that are gone go nowhere."""
    lost = [mail.id for mail in leased if mail.account_id not in emails]
    if lost:
        yield [DeliveryResult(mail_id, "failed", "the account is not there any more") for mail_id in lost]
    outgoing = [
        Outgoing(
            id=mail.id,
            recipient=emails[mail.account_id],
            subject=mail.subject,
            body=mail.body,
            written_at=mail.created_at,
        )
        for mail in leased
        if mail.account_id in emails
    ]
    if outgoing:
        async with aclosing(deps.mailer.carry(outgoing)) as carried:
            async for some in carried:
                yield some


def _fate(mail: Leased, carried: DeliveryResult, emails: Mapping[UUID, str]) -> Outcome:
    status, reason = carried.status, carried.reason
    if status == "waiting" and mail.last:
        status, reason = "failed", f"given up after {mail.attempts} tries: {reason}"
    with use_span(start_span(mail.traceparent, mail.correlation_id)):
        if status in {"sent", "kept"}:
            log.info("mail %s (%s): %s", mail.id, mail.kind, status)
        else:
            log.warning("mail %s (%s): %s, %s", mail.id, mail.kind, status, reason)
    wait = _LEAST + backoff(mail.attempts - 1, base=_BASE, cap=_CAP, random=random.random)
    return Outcome(mail.id, status, reason, emails.get(mail.account_id, ""), wait)
