"""Job: send the mails that are due, and retry each until it is sent or has failed for good.

A mail that reports a state is superseded, and not sent, if its account has a newer notification with the same `about`.
A mail is sent at least once: a crash after the mail server has accepted it and before the result is stored sends it
again.
"""

import logging
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final
from uuid import UUID

from nextbuy.kit.observability.telemetry import current_span, start_span, trace_id_of, use_span
from nextbuy.kit.rpc.retry import backoff
from nextbuy.notification.deps import Deps
from nextbuy.notification.mail_steps import log_mail
from nextbuy.notification.mailer import DeliveryResult, OutgoingMail
from nextbuy.notification.model import MailStatus
from nextbuy.notification.store.mails import LEASES, ClaimedMail, Outcome, claim, mark_superseded, record_results

log: Final = logging.getLogger(__name__)
BATCH: Final = 50
_MIN_DELAY, _BASE_DELAY, _MAX_DELAY = 1.0, 5.0, 1_800.0
"""Seconds before a retry: the minimum plus a random part, up to the base doubled with each attempt or the maximum."""


async def send_mails(deps: Deps) -> bool:
    """Send a batch of due mails; return whether to continue at once with the next batch."""
    claimed = {mail.id: mail for mail in await claim(deps.database, limit=BATCH)}
    if not claimed:
        return False
    until = next(iter(claimed.values())).until
    unsent, progress = set(claimed), False
    try:
        superseded = await mark_superseded(deps.database, until, list(claimed))
        for mail_id in superseded:
            _log(deps, claimed[mail_id], "superseded")
        unsent, progress = unsent - superseded, bool(superseded)
        current = [mail for mail in claimed.values() if mail.id in unsent]
        account_ids = {mail.account_id for mail in current}
        with use_span(current_span().linked(trace_id_of(mail.traceparent) for mail in current)):
            accounts = await deps.auth.get_accounts(list(account_ids)) if account_ids else []
        emails = {account.id: account.email for account in accounts}
        async with aclosing(_send(deps, current, emails)) as batches:
            async for results in batches:
                outcomes = [_outcome(deps, claimed[result.mail_id], result, emails) for result in results]
                await record_results(deps.database, until, outcomes)
                unsent.difference_update(outcome.mail_id for outcome in outcomes)
                progress |= any(outcome.status != "waiting" for outcome in outcomes)
    finally:
        if unsent:
            await LEASES.release(deps.database, unsent, until)
    return len(claimed) == BATCH and progress


async def _send(
    deps: Deps, claimed: list[ClaimedMail], emails: Mapping[UUID, str]
) -> AsyncGenerator[list[DeliveryResult], None]:
    """Send mails and yield their results; mails to deleted accounts fail."""
    if orphaned := [mail.id for mail in claimed if mail.account_id not in emails]:
        yield [DeliveryResult(mail_id, "failed", "the account no longer exists") for mail_id in orphaned]
    outgoing = [
        OutgoingMail(
            id=mail.id,
            recipient=emails[mail.account_id],
            subject=mail.subject,
            body=mail.body,
            written_at=mail.created_at,
        )
        for mail in claimed
        if mail.account_id in emails
    ]
    if outgoing:
        async with aclosing(deps.mailer.send(outgoing)) as batches:
            async for results in batches:
                yield results


def _outcome(deps: Deps, mail: ClaimedMail, result: DeliveryResult, emails: Mapping[UUID, str]) -> Outcome:
    status, reason = result.status, result.reason
    if status == "waiting" and mail.is_expired:
        status, reason = "failed", f"no success in {mail.attempts} attempts; the last: {reason}"
    _log(deps, mail, status, reason)
    delay = _MIN_DELAY + backoff(mail.attempts - 1, base=_BASE_DELAY, cap=_MAX_DELAY, random=random.random)
    return Outcome(
        mail_id=mail.id, status=status, reason=reason, recipient=emails.get(mail.account_id, ""), delay=delay
    )


def _log(deps: Deps, mail: ClaimedMail, status: MailStatus, reason: str = "") -> None:
    """Log the new status of a mail, in the trace of its event."""
    if status in {"sent", "stored", "superseded"}:
        log_mail(deps.journal, mail, status)
        return
    log_mail(deps.journal, mail, "failed" if status == "failed" else "not sent", reason)
    with use_span(start_span(mail.traceparent, mail.correlation_id)):
        event = "mail failed; no retry" if status == "failed" else "mail not sent; retry scheduled"
        fields = {"mail_id": str(mail.id), "notification_kind": mail.kind, "attempt": mail.attempts}
        log.warning(event, extra={**fields, "reason": reason})
