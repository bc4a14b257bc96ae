"""The log lines of mails, which add them to the story of their event. No line has an e-mail address."""

from typing import Final

from nextbuy.kit.observability.ids import Ids
from nextbuy.kit.observability.redaction import redact
from nextbuy.kit.observability.telemetry import Journal, start_span, use_span
from nextbuy.notification.store.mails import ClaimedMail

_SESSION: Final = "payment-session"
_MAX_REASON: Final = 200
"""Characters of the reason of a failed mail."""


def log_mail(journal: Journal, mail: ClaimedMail, status: str, reason: str = "") -> None:
    """Log the new status of a mail as a step in the trace of its event; `reason` is the reply of the mail server."""
    kind, _, thing_id = mail.about.partition(":")
    ids: Ids = {"session" if kind == _SESSION else kind: [thing_id], "mail": [mail.id]}
    with use_span(start_span(mail.traceparent, mail.correlation_id)):
        journal.step("notification", "mail", f"{mail.kind} {status}", ids=ids, reason=redact(reason)[:_MAX_REASON])
