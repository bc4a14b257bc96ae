"""A mail server in the event loop of a test, with configurable replies."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from nextbuy.kit.config_mail import Smtp

OK = "250 accepted"


def text_of(mail: EmailMessage) -> str:
    """Return the plain text of a mail."""
    part = mail.get_body(("plain",))
    assert part is not None
    text: str = part.get_content()
    return text


class MailServer:
    """A mail server that records what it accepts.

    `reply_to_data` replies to each mail, given the number of earlier ones; `reply_to_recipient` to each recipient.
    """

    def __init__(self) -> None:
        self.accepted: list[bytes] = []
        self.offered = 0
        self.recipients: list[str] = []
        self.reply_to_data: Callable[[int], str] = lambda _: OK
        self.reply_to_recipient: Callable[[str], str] = lambda _: "250 OK"
        self.logins: list[tuple[bytes, bytes]] = []
        self.used_tls: list[bool] = []
        self.after_accepting: Callable[[], None] = lambda: None

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        reply = self.reply_to_recipient(address)
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        reply = self.reply_to_data(self.offered)
        self.offered += 1
        if reply.startswith("2"):
            assert isinstance(envelope.content, bytes)
            self.accepted.append(envelope.content)
            self.recipients += envelope.rcpt_tos
            self.used_tls.append(session.ssl is not None)
            self.after_accepting()
        return reply

    def login(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, credentials: object
    ) -> AuthResult:
        assert isinstance(credentials, LoginPassword)
        self.logins.append((credentials.login, credentials.password))
        return AuthResult(success=credentials.password == b"open:sesame", handled=False)

    @property
    def mails(self) -> list[EmailMessage]:
        """The accepted mails, parsed."""
        return [message_from_bytes(raw, policy=policy.default) for raw in self.accepted]

    @asynccontextmanager
    async def open(
        self,
        *,
        port: int = 0,
        context: ssl.SSLContext | None = None,
        plain_login: bool = False,
        smtputf8: bool = True,
    ) -> AsyncIterator[Smtp]:
        """Listen while the context is open; yield the settings for a client."""
        loop = asyncio.get_running_loop()

        def serve() -> SMTP:
            return SMTP(
                self,
                hostname="post.test",
                enable_SMTPUTF8=smtputf8,
                loop=loop,
                tls_context=context,
                authenticator=self.login,
                auth_required=False,
                auth_require_tls=not plain_login,
            )

        server = await loop.create_server(serve, "127.0.0.1", port)
        try:
            yield Smtp(
                host="127.0.0.1",
                port=server.sockets[0].getsockname()[1],
                sender="shop@nextbuy.test",
                sender_name="Next, Buy",
            )
        finally:
            server.close()
            await server.wait_closed()
