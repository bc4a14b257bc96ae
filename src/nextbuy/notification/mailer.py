"""Mailers: send mails through an SMTP server, or only store them if no server is configured.

A mailer yields the result of each mail as soon as it is known, so that a crash repeats few mails. A repeated mail has
the same bytes, including its `Message-ID`, so that a mailbox can recognise the duplicate.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from ipaddress import ip_address
from typing import Final, Protocol
from uuid import UUID

from aiosmtplib import SMTP, SMTPException, SMTPNotSupported, SMTPRecipientsRefused, SMTPResponseException
from msgspec import Struct

from nextbuy.contracts.email_address import normal_email
from nextbuy.kit.config_mail import Smtp
from nextbuy.kit.text import single_line
from nextbuy.notification.model import MailStatus

_SEND_WINDOW: Final = 30.0
"""Seconds of one call after which no further mail is started."""
_REPLY_TIMEOUT: Final = 10.0
"""Seconds for one reply of the server."""
_MAIL_TIMEOUT: Final = 20.0
"""Seconds for the connection, and for each mail."""
MAX_DURATION: Final = _SEND_WINDOW + _MAIL_TIMEOUT
"""Seconds that a mailer may take for all mails of one call."""
_PERMANENT: Final = 500
"""SMTP reply codes from here on are final (RFC 5321)."""


_CERTIFICATE_ADVICE: Final = (
    ". Set NEXTBUY_SMTP_CA to the file of its authority, and use a host name from its certificate in NEXTBUY_SMTP_URL."
)
log: Final = logging.getLogger(__name__)


class OutgoingMail(Struct, frozen=True, kw_only=True):
    """A mail to send."""

    id: UUID
    recipient: str
    subject: str
    body: str
    html: str = ""
    written_at: datetime


class DeliveryResult(Struct, frozen=True):
    """The result of sending one mail; `waiting` means that it may be retried."""

    mail_id: UUID
    status: MailStatus
    reason: str = ""


class Mailer(Protocol):
    """A way to send mails."""

    sends: bool
    """Whether there is a server to send mails to."""
    problem: str
    """Why the server could not be used at the last attempt, and the remedy; empty if it could."""

    def send(self, mails: Sequence[OutgoingMail]) -> AsyncGenerator[list[DeliveryResult], None]:
        """Send mails and yield their results, one or several at a time; mails without a result were not sent.

        Takes at most `MAX_DURATION` seconds.
        """
        ...


class StoredMailer:
    """A mailer without a server: admins read the mails on a page. Only mails that report a state pass through it."""

    sends = False
    problem = ""

    async def send(self, mails: Sequence[OutgoingMail]) -> AsyncGenerator[list[DeliveryResult], None]:
        """Yield the result `stored` for all mails."""
        yield [DeliveryResult(mail.id, "stored") for mail in mails]


class SmtpMailer:
    """A mailer that uses one SMTP connection per call, with TLS if the server offers it.

    A server on a loopback address may have any certificate, since no other machine can answer there. TLS is required if
    the settings name an authority, or if they ask for TLS from the start.
    """

    sends = True

    def __init__(self, smtp: Smtp) -> None:
        """Use a server and its configured sender."""
        self._smtp = smtp
        self._sender = Address(smtp.sender_name, addr_spec=smtp.sender)
        self._tls = _tls_context(smtp)
        self.problem = ""

    async def send(self, mails: Sequence[OutgoingMail]) -> AsyncGenerator[list[DeliveryResult], None]:
        """Send mails one after another until the time is up or the server disconnects."""
        until = time.monotonic() + _SEND_WINDOW
        client = SMTP(
            hostname=self._smtp.host,
            port=self._smtp.port,
            use_tls=self._smtp.tls,
            start_tls=False if self._smtp.tls else True if self._smtp.ca else None,
            tls_context=self._tls,
            timeout=_REPLY_TIMEOUT,
            local_hostname=self._sender.domain,
        )
        try:
            try:
                await self._connect(client)
            except (SMTPException, OSError, TimeoutError) as error:
                self._note(_reason(error))
                yield [DeliveryResult(mail.id, "waiting", _reason(error)) for mail in mails]
                return
            self._note("")
            for mail in mails:
                if time.monotonic() > until or not client.is_connected:
                    return
                yield [await self._send_one(client, mail)]
            await _quit(client)
        finally:
            client.close()

    def _note(self, reason: str) -> None:
        """Store why the server is unavailable, "" if it is not, and log a change."""
        advice = _CERTIFICATE_ADVICE if "CERTIFICATE_VERIFY_FAILED" in reason else ""
        problem = f"E-mails wait, because the mail server cannot be used: {reason}{advice}" if reason else ""
        if problem and not self.problem:
            log.warning("mail server unavailable; mails wait: %s%s", reason, advice)
        elif self.problem and not problem:
            log.info("mail server available again")
        self.problem = problem

    async def _connect(self, client: SMTP) -> None:
        async with asyncio.timeout(_MAIL_TIMEOUT):
            await client.connect()
            if self._smtp.username:
                if client.get_transport_info("sslcontext") is None:
                    raise SMTPException("the server offers no TLS, so the password was not sent; use a server with TLS")
                await client.login(self._smtp.username, self._smtp.password)

    async def _send_one(self, client: SMTP, mail: OutgoingMail) -> DeliveryResult:
        try:
            recipient = normal_email(mail.recipient)
            message = message_of(mail, self._sender)
            async with asyncio.timeout(_MAIL_TIMEOUT):
                await client.send_message(message, sender=self._sender.addr_spec, recipients=[recipient])
        except SMTPRecipientsRefused as error:
            return _rejected(mail, error.recipients[0])
        except SMTPResponseException as error:
            return _rejected(mail, error)
        except (SMTPNotSupported, MessageError, ValueError) as error:
            return DeliveryResult(mail.id, "failed", _reason(error))
        except (SMTPException, OSError, TimeoutError) as error:
            # The state of the SMTP dialogue is unknown, so the connection cannot be used for the next mail.
            client.close()
            return DeliveryResult(mail.id, "waiting", _reason(error))
        return DeliveryResult(mail.id, "sent")


def mailer_for(smtp: Smtp) -> Mailer:
    """Return the mailer for the settings."""
    return SmtpMailer(smtp) if smtp.host else StoredMailer()


def message_of(mail: OutgoingMail, sender: Address) -> EmailMessage:
    """Return a mail as a message, the same bytes each time.

    Raises:
        ValueError, MessageError: the recipient is not a valid e-mail address.
    """
    username, _, domain = normal_email(mail.recipient).rpartition("@")
    message = EmailMessage(SMTP_POLICY)
    message["From"] = sender
    message["To"] = Address(username=username, domain=domain)
    message["Subject"] = single_line(mail.subject)
    message["Date"] = format_datetime(mail.written_at)
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.body)
    if mail.html:
        message.add_alternative(mail.html, subtype="html")
        # A random one would change the bytes of a repeated mail.
        message.set_boundary(f"nextbuy-{mail.id.hex}")
    return message


def _tls_context(smtp: Smtp) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=smtp.ca or None)
    if not smtp.ca and _is_loopback(smtp.host):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _rejected(mail: OutgoingMail, error: SMTPResponseException) -> DeliveryResult:
    reason = single_line(f"{error.code} {error.message}")
    return DeliveryResult(mail.id, "failed" if error.code >= _PERMANENT else "waiting", reason)


def _reason(error: Exception) -> str:
    return single_line(str(error)) or type(error).__name__


async def _quit(client: SMTP) -> None:
    try:
        await client.quit()
    except (SMTPException, OSError, TimeoutError):
        # The server has already accepted all mails; QUIT is only a courtesy.
        return
