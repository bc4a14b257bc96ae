"""Job: send the mails that are due, and retry each until it is sent or has failed for good.

A mail that reports a state is superseded, and not sent, if its account has a newer notification with the same `about`.
A mail is sent at least once: a crash after the mail server has accepted it and before the result is stored sends it
again.

The token of a link is requested from auth for each attempt, and exists in the mail alone. Without a mail server, the
stored mail has it, because it is the only copy.
"""

import logging
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Final
from uuid import UUID

from nextbuy.kit.observability.telemetry import current_span, start_span, trace_id_of, use_span
from nextbuy.kit.rpc.retry import backoff
from nextbuy.notification.deps import Deps
from nextbuy.notification.mail_steps import log_mail
from nextbuy.notification.mailer import DeliveryResult, OutgoingMail
from nextbuy.notification.model import HIDDEN_TOKEN, MailStatus
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
        with use_span(current_span().linked(trace_id_of(mail.traceparent) for mail in current)):
            addressed = await _address(deps, current)
        async with aclosing(_send(deps, current, addressed)) as batches:
            async for results in batches:
                outcomes = [
                    _outcome(deps, claimed[result.mail_id], result, addressed.get(result.mail_id)) for result in results
                ]
                await record_results(deps.database, until, outcomes)
                unsent.difference_update(outcome.mail_id for outcome in outcomes)
                progress |= any(outcome.status != "waiting" for outcome in outcomes)
    finally:
        if unsent:
            await LEASES.release(deps.database, unsent, until)
    return len(claimed) == BATCH and progress


async def _address(deps: Deps, mails: Sequence[ClaimedMail]) -> dict[UUID, OutgoingMail]:
    """Return mails with their recipients, and with new tokens in their links; others cannot be sent."""
    account_ids = {mail.account_id for mail in mails if mail.link_id is None}
    link_ids = {mail.link_id for mail in mails if mail.link_id is not None}
    accounts = await deps.auth.get_accounts(list(account_ids)) if account_ids else []
    links = await deps.auth.issue_links(list(link_ids)) if link_ids else []
    emails = {account.id: account.email for account in accounts} | {link.id: link.email for link in links}
    tokens = {link.id: link.token for link in links}
    addressed = {}
    for mail in mails:
        recipient = emails.get(mail.link_id or mail.account_id)
        if recipient is not None:
            token = HIDDEN_TOKEN if mail.link_id is None else tokens[mail.link_id]
            addressed[mail.id] = OutgoingMail(
                id=mail.id,
                recipient=recipient,
                subject=mail.subject,
                body=mail.body.replace(HIDDEN_TOKEN, token),
                html=mail.html.replace(HIDDEN_TOKEN, token),
                written_at=mail.created_at,
            )
    return addressed


async def _send(
    deps: Deps, claimed: list[ClaimedMail], addressed: Mapping[UUID, OutgoingMail]
) -> AsyncGenerator[list[DeliveryResult], None]:
    """Send mails and yield their results; mails without a recipient fail."""
    if orphaned := [mail for mail in claimed if mail.id not in addressed]:
        yield [
            DeliveryResult(
                mail.id, "failed", "the link is no longer valid" if mail.link_id else "the account no longer exists"
            )
            for mail in orphaned
        ]
    if addressed:
        async with aclosing(deps.mailer.send(list(addressed.values()))) as batches:
            async for results in batches:
                yield results


def _outcome(deps: Deps, mail: ClaimedMail, result: DeliveryResult, sent: OutgoingMail | None) -> Outcome:
    status, reason = result.status, result.reason
    if status == "waiting" and mail.is_expired:
        status, reason = "failed", f"no success in {mail.attempts} attempts; the last: {reason}"
    _log(deps, mail, status, reason)
    delay = _MIN_DELAY + backoff(mail.attempts - 1, base=_BASE_DELAY, cap=_MAX_DELAY, random=random.random)
    copy = sent if sent and status == "stored" else None
    return Outcome(
        mail_id=mail.id,
        status=status,
        reason=reason,
        recipient=sent.recipient if sent else "",
        delay=delay,
        body=copy.body if copy else None,
        html=copy.html if copy else None,
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
