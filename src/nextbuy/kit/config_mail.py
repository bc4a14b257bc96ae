"""The settings of the mail server and of the sender."""

from collections.abc import Callable
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Annotated
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from nextbuy.contracts.email_address import normal_email
from nextbuy.kit.config_values import ConfigError, Setting, authorities


class Smtp(Struct, frozen=True, kw_only=True):
    """The mail server and the sender; without `host`, mails are only stored. Without `tls`, STARTTLS is used."""

    host: Annotated[
        str,
        Setting("SMTP_URL", "`smtp://USER:PASSWORD@HOST:PORT`; `smtps://…` for TLS.", "stored, see `/mails`", "Mail"),
    ] = ""
    port: int = 587
    tls: bool = False
    username: str = ""
    password: str = ""
    sender: Annotated[
        str, Setting("MAIL_FROM", "Sender, like `Shop <shop@example.com>`; required with SMTP.", "none")
    ] = ""
    sender_name: str = ""
    ca: Annotated[str, Setting("SMTP_CA", "File of trusted authorities for mail; requires TLS.", "the system's")] = ""


def read_smtp(read: Callable[[str, str], str]) -> Smtp:
    """Read the mail settings. Error messages never repeat the URL, which may contain a password."""
    if not (url := read("SMTP_URL", "")):
        return Smtp()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in {"smtp", "smtps"} or not host or parts.path not in {"", "/"} or parts.query:
        message = "NEXTBUY_SMTP_URL is invalid. Use smtp(s)://USER:PASSWORD@HOST:PORT, special characters as %XX."
        raise ConfigError(message)
    configured = read("MAIL_FROM", "")
    name, address = parseaddr(configured)
    try:
        sender = Address(name, addr_spec=normal_email(address))
    except (ValueError, MessageError):
        sender = Address()
    if not sender.domain or not configured.isprintable():
        message = "NEXTBUY_MAIL_FROM is missing or invalid. Use shop@example.com or Shop <shop@example.com>."
        raise ConfigError(message)
    tls = parts.scheme == "smtps"
    return Smtp(
        host=host,
        port=port or (465 if tls else 587),
        tls=tls,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        sender=sender.addr_spec,
        sender_name=name,
        ca=authorities("SMTP_CA", read("SMTP_CA", "")),
    )
