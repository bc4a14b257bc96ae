"""What a mail server sees: TLS before a password, and headers that nobody else can write."""

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
from nextbuy.kafka.mailer import DeliveryResult, Outgoing, SmtpMailer, message_of
from nextbuy.kit.config import Smtp
from tests.kafka.post_office import PostOffice

SENDER = Address("NextBuy", addr_spec="shop@nextbuy.test")
PASSWORD = "open:sesame"


def outgoing(**more: str) -> Outgoing:
    told = {"recipient": "maya@example.test", "subject": "Your order", "body": "Hello,\n\nit is paid.\n"} | more
    return Outgoing(id=new_id(), written_at=datetime(2026, 11, 22, tzinfo=UTC), **told)


async def carried(smtp: Smtp, *mails: Outgoing) -> list[DeliveryResult]:
    async with aclosing(SmtpMailer(smtp).carry(mails)) as going:
        return [one async for some in going for one in some]


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate that this machine trusts."""
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
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
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
def office() -> PostOffice:
    """A mail server that is willing."""
    return PostOffice()


async def test_where_the_server_offers_tls_it_is_used_and_the_password_goes_over_it(
    office: PostOffice, secure: ssl.SSLContext
) -> None:
    async with office.open(context=secure) as smtp:
        [one] = await carried(replace(smtp, username="shop", password=PASSWORD), outgoing())
    assert one.status == "sent"
    assert office.secured == [True]
    assert office.logins == [(b"shop", PASSWORD.encode())]


async def test_a_wrong_password_lets_mails_wait_and_is_never_repeated(
    office: PostOffice, secure: ssl.SSLContext
) -> None:
    async with office.open(context=secure) as smtp:
        [one] = await carried(replace(smtp, username="shop", password="sesame:shut"), outgoing())
    assert one.status == "waiting"
    assert "535" in one.reason or "Authentication" in one.reason
    assert "sesame" not in one.reason
    assert office.taken == []


async def test_a_password_goes_to_nobody_who_offers_no_tls(office: PostOffice) -> None:
    async with office.open(plain_login=True) as smtp:
        [one] = await carried(replace(smtp, username="shop", password=PASSWORD), outgoing())
    assert (one.status, office.logins, office.taken) == ("waiting", [], [])
    assert "no TLS" in one.reason


async def test_a_certificate_that_nobody_vouches_for_is_not_spoken_to(office: PostOffice, tmp_path: Path) -> None:
    context, _ = certified(tmp_path)
    async with office.open(context=context) as smtp:
        [one] = await carried(smtp, outgoing())
    assert (one.status, office.taken) == ("waiting", [])


async def test_a_server_that_speaks_no_smtp_is_waited_for(office: PostOffice) -> None:
    async with office.open() as smtp:
        [one] = await carried(replace(smtp, tls=True), outgoing())
    assert one.status == "waiting"
    assert one.reason


async def test_an_address_of_any_script_is_written_to(office: PostOffice) -> None:
    async with office.open() as smtp:
        [one] = await carried(smtp, outgoing(recipient="用户@例え.test"))
    assert one.status == "sent"
    assert office.recipients == ["用户@例え.test"]


@pytest.mark.parametrize(
    "recipient",
    ["a\r\nBcc: all@victims.test@example.test", "a b@example.test", "@example.test", "maya", "", "a@b>\r\nDATA"],
)
async def test_an_address_that_is_none_fails_alone_and_reaches_nobody_else(office: PostOffice, recipient: str) -> None:
    async with office.open() as smtp:
        bad, good = await carried(smtp, outgoing(recipient=recipient), outgoing())
    assert (bad.status, good.status) == ("failed", "sent")
    assert office.recipients == ["maya@example.test"]


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_subject_and_no_text_writes_a_header(before: str, after: str) -> None:
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


def test_a_mail_is_the_same_each_time() -> None:
    mail = outgoing(body="Grüße, " + "x" * 2_000)
    assert message_of(mail, SENDER).as_bytes() == message_of(mail, SENDER).as_bytes()
