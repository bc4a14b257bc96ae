"""The SMTP mailer: TLS before a password, and no injected headers."""

import dataclasses
import ssl
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nextbuy.contracts.values import new_id
from nextbuy.kit.config_mail import Smtp
from nextbuy.notification.deps import Deps
from nextbuy.notification.mail_problems import mail_problems
from nextbuy.notification.mailer import DeliveryResult, OutgoingMail, SmtpMailer, message_of
from nextbuy.notification.service import SERVICE
from tests.notification.mail_server import MailServer

SENDER = Address("NextBuy", addr_spec="shop@nextbuy.test")
PASSWORD = "open:sesame"


def outgoing(**more: str) -> OutgoingMail:
    fields = {"recipient": "maya@example.test", "subject": "Your order", "body": "Hello,\n\nit is paid.\n"} | more
    return OutgoingMail(id=new_id(), written_at=datetime(2026, 11, 22, tzinfo=UTC), **fields)


async def send(smtp: Smtp, *mails: OutgoingMail) -> list[DeliveryResult]:
    async with aclosing(SmtpMailer(smtp).send(mails)) as batches:
        return [result async for results in batches for result in results]


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A TLS context for a server, with a certificate that the client trusts."""
    context, certificate = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return context


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "post.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(ip)) for ip in ("127.0.0.1", ELSEWHERE)]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    return context, certificate


@pytest.fixture
def server() -> MailServer:
    """A mail server that accepts everything."""
    return MailServer()


async def test_password_is_sent_over_offered_tls(server: MailServer, secure: ssl.SSLContext) -> None:
    async with server.open(context=secure) as smtp:
        [one] = await send(replace(smtp, username="shop", password=PASSWORD), outgoing())

    assert one.status == "sent"
    assert server.used_tls == [True]
    assert server.logins == [(b"shop", PASSWORD.encode())]


async def test_wrong_password_leaves_mail_waiting_and_is_not_repeated_in_reason(
    server: MailServer, secure: ssl.SSLContext
) -> None:
    async with server.open(context=secure) as smtp:
        [one] = await send(replace(smtp, username="shop", password="sesame:shut"), outgoing())

    assert one.status == "waiting"
    assert "535" in one.reason or "Authentication" in one.reason
    assert "sesame" not in one.reason
    assert server.accepted == []


async def test_password_is_not_sent_without_tls(server: MailServer) -> None:
    async with server.open(plain_login=True) as smtp:
        [one] = await send(replace(smtp, username="shop", password=PASSWORD), outgoing())

    assert (one.status, server.logins, server.accepted) == ("waiting", [], [])
    assert "no TLS" in one.reason


async def test_certificate_of_a_server_on_this_machine_needs_no_authority(server: MailServer, tmp_path: Path) -> None:
    context, _ = certified(tmp_path)
    async with server.open(context=context) as smtp:
        [one] = await send(replace(smtp, username="shop", password=PASSWORD), outgoing())

    assert (one.status, server.used_tls) == ("sent", [True])


# The system connects to this machine, but this is not a loopback address.
ELSEWHERE = "0.0.0.0"  # noqa: S104


async def test_untrusted_certificate_leaves_mail_waiting_and_is_reported(
    server: MailServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context, _ = certified(tmp_path)
    async with server.open(context=context) as smtp:
        mailer = SmtpMailer(replace(smtp, host=ELSEWHERE))
        for _ in range(2):
            [[one]] = [results async for results in mailer.send([outgoing()])]
            assert one.status == "waiting"

    assert server.accepted == []
    assert "certificate" in mailer.problem
    assert "NEXTBUY_SMTP_CA" in mailer.problem
    [line] = [record.getMessage() for record in caplog.records if record.name == "nextbuy.notification.mailer"]
    assert "certificate" in line


async def test_status_has_the_problem_until_a_mail_is_sent(server: MailServer, deps: Deps) -> None:
    async with server.open() as smtp:
        mailer = SmtpMailer(smtp)
    [[one]] = [results async for results in mailer.send([outgoing()])]
    assert one.status == "waiting"
    [problem] = (await mail_problems(dataclasses.replace(deps, mailer=mailer)))["problems"]
    assert problem.startswith("E-mails wait, because the mail server cannot be used: ")
    assert mail_problems in SERVICE.status

    async with server.open(port=smtp.port):
        [[one]] = [results async for results in mailer.send([outgoing()])]
    assert one.status == "sent"
    assert await mail_problems(dataclasses.replace(deps, mailer=mailer)) == {"problems": []}


@pytest.mark.parametrize("host", ["127.0.0.1", ELSEWHERE])
async def test_own_authority_is_the_only_one_trusted(server: MailServer, tmp_path: Path, host: str) -> None:
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
    context, certificate = certified(tmp_path / "own")
    _, other = certified(tmp_path / "other")
    async with server.open(context=context) as smtp:
        [refused] = await send(replace(smtp, host=host, ca=str(other)), outgoing())
        [sent] = await send(replace(smtp, host=host, ca=str(certificate)), outgoing())

    assert (refused.status, sent.status, server.used_tls) == ("waiting", "sent", [True])


async def test_own_authority_requires_tls(server: MailServer, tmp_path: Path) -> None:
    _, certificate = certified(tmp_path)
    async with server.open() as smtp:
        [one] = await send(replace(smtp, ca=str(certificate)), outgoing())

    assert (one.status, server.accepted) == ("waiting", [])


async def test_server_without_smtp_leaves_mail_waiting(server: MailServer) -> None:
    async with server.open() as smtp:
        [one] = await send(replace(smtp, tls=True), outgoing())

    assert one.status == "waiting"
    assert one.reason


@pytest.mark.parametrize("smtputf8", [True, False])
@pytest.mark.parametrize("recipient", ["maya@b\u00fccher.example", "maya@xn--bcher-kva.example"])
async def test_envelope_has_the_domain_as_a_label(server: MailServer, recipient: str, *, smtputf8: bool) -> None:
    async with server.open(smtputf8=smtputf8) as smtp:
        [one] = await send(smtp, outgoing(recipient=recipient))

    assert (one.status, server.recipients) == ("sent", ["maya@xn--bcher-kva.example"])
    assert server.mails[0]["To"] == "maya@xn--bcher-kva.example"


@pytest.mark.parametrize("recipient", ["o'neil+shop=1!#$%&*/?^_`{|}~-@example.test", "a.b.c@sub.example.test"])
async def test_envelope_is_the_address_of_the_account(server: MailServer, recipient: str) -> None:
    async with server.open() as smtp:
        [one] = await send(smtp, outgoing(recipient=recipient))

    assert (one.status, server.recipients) == ("sent", [recipient])


@pytest.mark.parametrize(
    "recipient",
    [
        *("a\r\nBcc: all@victims.test@example.test", "a b@example.test", "@example.test", "maya", "", "a@b>\r\nDATA"),
        *("x:victim@example.test", "(x)victim@example.test", "x,victim@example.test", "\u7528\u6237@example.test"),
    ],
)
async def test_invalid_email_address_fails_without_other_recipients(server: MailServer, recipient: str) -> None:
    async with server.open() as smtp:
        bad, good = await send(smtp, outgoing(recipient=recipient), outgoing())

    assert (bad.status, good.status) == ("failed", "sent")
    assert server.recipients == ["maya@example.test"]


@given(st.text(max_size=60), st.text(max_size=60))
def test_subject_and_body_cannot_add_headers(before: str, after: str) -> None:
    subject = f"{before}\r\nBcc: all@victims.test\n\n{after}"
    message = message_of(
        outgoing(subject=subject, body=f"\r\n.\r\nBcc: x@y.test\r\n\r\n{after}".encode("utf-8", "replace").decode()),
        SENDER,
    )
    head, _, _ = message.as_bytes().partition(b"\r\n\r\n")

    names = {line.split(b":")[0] for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))}

    assert names <= {
        b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted", b"Content-Type", b"MIME-Version",
        b"Content-Transfer-Encoding",
    }  # fmt: skip


def test_repeated_mail_is_byte_identical() -> None:
    mail = outgoing(body="Grüße, " + "x" * 2_000)
    assert message_of(mail, SENDER).as_bytes() == message_of(mail, SENDER).as_bytes()
