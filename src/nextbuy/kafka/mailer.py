"""What mails go away by: an SMTP server where one is set, else they are kept and read on a page.

A mailer says of each mail what became of it as soon as it knows, so that little is done twice after a crash. A mail
that is handed over again is the same to the last byte, `Message-ID` included, by which a mailbox can tell.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from typing import Final, Protocol
from uuid import UUID

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
)
from msgspec import MsgspecError, Struct, convert

from nextbuy.contracts.values import Email
from nextbuy.kafka.drafts import plain
from nextbuy.kafka.model import MailStatus
from nextbuy.kit.config import Smtp

BUDGET: Final = 30.0
"""Seconds after which no further mail is begun."""
_STEP: Final = 10.0
"""Seconds that the server has for one answer."""
_WHOLE: Final = 20.0
"""Seconds that a connection, or one mail, may take."""
LONGEST: Final = BUDGET + _WHOLE
"""Seconds that a mailer may take for all that it is given."""
_PERMANENT: Final = 500


class Outgoing(Struct, frozen=True, kw_only=True):
    """A mail that is to go away."""

    id: UUID
    recipient: str
    subject: str
    body: str
    written_at: datetime


class DeliveryResult(Struct, frozen=True):
    """What became of a mail; `waiting` where it may be tried again, for this reason."""

    mail_id: UUID
    status: MailStatus
    reason: str = ""


class Mailer(Protocol):
    """Carries mails away."""

    def carry(self, mails: Sequence[Outgoing]) -> AsyncGenerator[list[DeliveryResult], None]:
        """Say what became of mails, of one or some at a time; of which nothing is said, nothing was done.

        It takes at most `LONGEST` seconds.
        """
        ...


class StoredMailer:
    """Carries nothing anywhere: mails stay, to be read on a page."""

    async def carry(self, mails: Sequence[Outgoing]) -> AsyncGenerator[list[DeliveryResult], None]:
        """Keep them all."""
        yield [DeliveryResult(mail.id, "kept") for mail in mails]


class SmtpMailer:
    """Hands mails to an SMTP server, one after the other over one connection; TLS where the server offers it."""

    def __init__(self, smtp: Smtp) -> None:
        """Go to this server, in the name of its sender."""
        self._smtp = smtp
        self._sender = Address(smtp.sender_name, addr_spec=smtp.sender)

    async def carry(self, mails: Sequence[Outgoing]) -> AsyncGenerator[list[DeliveryResult], None]:
        """Hand them over until the time is up or the server breaks off."""
        until = time.monotonic() + BUDGET
        client = SMTP(
            hostname=self._smtp.host,
            port=self._smtp.port,
            use_tls=self._smtp.tls,
            start_tls=False if self._smtp.tls else None,
            timeout=_STEP,
            local_hostname=self._sender.domain,
        )
        try:
            try:
                await self._connect(client)
            except (SMTPException, OSError, TimeoutError) as error:
                yield [DeliveryResult(mail.id, "waiting", _why(error)) for mail in mails]
                return
            for mail in mails:
                if time.monotonic() > until or not client.is_connected:
                    return
                yield [await self._hand_over(client, mail)]
            await _leave(client)
        finally:
            client.close()

    async def _connect(self, client: SMTP) -> None:
        async with asyncio.timeout(_WHOLE):
            await client.connect()
            if self._smtp.username:
                if client.get_transport_info("sslcontext") is None:
                    raise SMTPException("the server offers no TLS, and a password goes over nothing else")
                await client.login(self._smtp.username, self._smtp.password)

    async def _hand_over(self, client: SMTP, mail: Outgoing) -> DeliveryResult:
        try:
            message = message_of(mail, self._sender)
            async with asyncio.timeout(_WHOLE):
                await client.send_message(message, sender=self._sender.addr_spec, recipients=[mail.recipient])
        except SMTPRecipientsRefused as error:
            return _refused(mail, error.recipients[0])
        except SMTPResponseException as error:
            return _refused(mail, error)
        except (SMTPNotSupported, MessageError, MsgspecError, ValueError) as error:
            return DeliveryResult(mail.id, "failed", _why(error))
        except (SMTPException, OSError, TimeoutError) as error:
            # Where the server stands in this mail is not known any more.
            client.close()
            return DeliveryResult(mail.id, "waiting", _why(error))
        return DeliveryResult(mail.id, "sent")


def mailer_of(smtp: Smtp) -> Mailer:
    """Return the mailer that the settings ask for."""
    return SmtpMailer(smtp) if smtp.host else StoredMailer()


def message_of(mail: Outgoing, sender: Address) -> EmailMessage:
    """Return a mail as it goes over the wire, the same each time.

    Raises:
        ValueError, MessageError, MsgspecError: it has no address that could be written to.
    """
    username, _, domain = convert(mail.recipient, Email).rpartition("@")
    message = EmailMessage(SMTP_POLICY)
    message["From"] = sender
    message["To"] = Address(username=username, domain=domain)
    message["Subject"] = plain(mail.subject)
    message["Date"] = format_datetime(mail.written_at)
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.body)
    return message


def _refused(mail: Outgoing, error: SMTPResponseException) -> DeliveryResult:
    reason = plain(f"{error.code} {error.message}")
    return DeliveryResult(mail.id, "failed" if error.code >= _PERMANENT else "waiting", reason)


def _why(error: Exception) -> str:
    return plain(str(error)) or type(error).__name__


async def _leave(client: SMTP) -> None:
    try:
        await client.quit()
    except (SMTPException, OSError, TimeoutError):
        # All that was handed over has been accepted; a farewell is a courtesy.
        return
