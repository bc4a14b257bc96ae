"""A mail server in the test's own loop, which takes mails and can be told to be difficult."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from nextbuy.kit.config import Smtp

OK = "250 taken"


class PostOffice:
    """Takes mails; `say` answers each, given how many were offered before."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.offered = 0
        self.recipients: list[str] = []
        self.say: Callable[[int], str] = lambda _: OK
        self.say_to: Callable[[str], str] = lambda _: "250 OK"
        self.logins: list[tuple[bytes, bytes]] = []
        self.secured: list[bool] = []
        self.after_taking: Callable[[], None] = lambda: None

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = self.say_to(address)
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self.say(self.offered)
        self.offered += 1
        if answer.startswith("2"):
            assert isinstance(envelope.content, bytes)
            self.taken.append(envelope.content)
            self.recipients += envelope.rcpt_tos
            self.secured.append(session.ssl is not None)
            self.after_taking()
        return answer

    def login(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, said: Any) -> AuthResult:  # noqa: ANN401
        assert isinstance(said, LoginPassword)
        self.logins.append((said.login, said.password))
        return AuthResult(success=said.password == b"open:sesame", handled=False)

    @property
    def mails(self) -> list[EmailMessage]:
        """What was taken, read."""
        return [message_from_bytes(raw, policy=policy.default) for raw in self.taken]

    @asynccontextmanager
    async def open(
        self, *, port: int = 0, context: ssl.SSLContext | None = None, plain_login: bool = False
    ) -> AsyncIterator[Smtp]:
        """Open for as long as the context lasts; the settings by which it is found."""
        loop = asyncio.get_running_loop()

        def serve() -> SMTP:
            return SMTP(
                self,
                hostname="post.test",
                enable_SMTPUTF8=True,
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
