"""All settings, from the environment alone; what is unset is served by this process (unset means embedded).

| setting | meaning | unset |
|---|---|---|
| `NEXTBUY_POSTGRES_URL` | PostgreSQL; one database and one role per service are made in it | embedded PostgreSQL |
| `NEXTBUY_REDIS_URL` | Redis | embedded Redis |
| `NEXTBUY_KAFKA_SERVERS` | Apache Kafka, `HOST:PORT` and others after commas; events go over it | Redis Streams |
| `NEXTBUY_KAFKA_SECURITY_PROTOCOL` | `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT`, `SASL_SSL` | by whether a user is named |
| `NEXTBUY_KAFKA_SASL_MECHANISM` | `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512` | `SCRAM-SHA-512` |
| `NEXTBUY_KAFKA_USERNAME`, `NEXTBUY_KAFKA_PASSWORD` | who we are to Kafka | nobody |
| `NEXTBUY_KAFKA_CA` | file of the authority that signed Kafka's certificate | the machine's authorities |
| `NEXTBUY_KAFKA_PREFIX` | what our topics and groups begin with, on a cluster that others use too | `nextbuy.` |
| `NEXTBUY_KAFKA_PARTITIONS` | partitions of a topic that is made here | `6` |
| `NEXTBUY_KAFKA_REPLICATION` | copies of a topic that is made here | the cluster's default |
| `NEXTBUY_<SERVICE>_URL` | where that service is | it lives in this process |
| `NEXTBUY_PUBLIC_URL` | how the outside sees the gateway | `http://HOST:PORT` |
| `NEXTBUY_HOST`, `NEXTBUY_PORT` | where to listen | `127.0.0.1`, `8080` |
| `NEXTBUY_DATA` | folder of the embedded engines, secrets and log | `var` |
| `NEXTBUY_SECRET` | what identities, passwords and signatures are derived from | made once, kept in the data folder |
| `NEXTBUY_WEBHOOK_SECRETS` | secrets that webhooks may be signed with, newest first, comma-separated | derived |
| `NEXTBUY_SESSION_MINUTES` | how long a payment session holds its lines | `30` |
| `NEXTBUY_SMTP_URL` | where mail goes, `smtp://USER:PASSWORD@HOST:PORT` or `smtps://…` | it is kept, read at `/mails` |
| `NEXTBUY_MAIL_FROM` | whom mail is from, like `Shop <shop@example.com>`; needed with the above | nobody |
| `NEXTBUY_RATE_LIMITS` | `off` lifts the rate limits, for load tests | on |
| `NEXTBUY_CORS_ORIGINS` | origins whose pages may use the API, comma-separated | its own pages alone |
| `NEXTBUY_LOG_LEVEL` | `debug`, `info`, `warning` or `error` | `info` |
"""

import hashlib
import hmac
import os
import re
from collections.abc import Callable, Mapping, Sequence
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from msgspec import MsgspecError, Struct, convert, field

from nextbuy.contracts.values import Email

SERVICES: Final = ("auth", "product", "seller", "order", "admin", "kafka")
"""The services behind the gateway, in the order in which they may be started."""
_LEVELS: Final = frozenset({"debug", "info", "warning", "error"})
_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class ConfigError(Exception):
    """A setting is no good; the message is one sentence that says which and what to do."""


class Kafka(Struct, frozen=True, kw_only=True):
    """Where a Kafka is and who we are to it; no `servers`, no Kafka. `replication` 0 leaves it to the cluster.

    The names of our topics and groups begin with `prefix`.
    """

    servers: str = ""
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "SCRAM-SHA-512"
    username: str = ""
    password: str = ""
    ca: str = ""
    prefix: str = "nextbuy."
    partitions: int = 6
    replication: int = 0


class Smtp(Struct, frozen=True, kw_only=True):
    """Where mails go, and in whose name; no `host`, nowhere. `tls` is from the first byte, else it is asked for."""

    host: str = ""
    port: int = 587
    tls: bool = False
    username: str = ""
    password: str = ""
    sender: str = ""
    sender_name: str = ""


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of one process. `secret` is what everything shared between services is derived from."""

    secret: bytes
    postgres_url: str = ""
    redis_url: str = ""
    kafka: Kafka = Kafka()
    smtp: Smtp = Smtp()
    service_urls: dict[str, str] = field(default_factory=dict)
    public_url: str = "http://127.0.0.1:8080"
    host: str = "127.0.0.1"
    port: int = 8080
    data: Path = Path("var")
    webhook_secrets: tuple[str, ...] = ()
    session_minutes: float = 30.0
    rate_limits: bool = True
    cors_origins: tuple[str, ...] = ()
    log_level: str = "info"

    def derive(self, purpose: str) -> str:
        """Return a secret for one purpose: HMAC-SHA256 of the purpose under the installation's secret, as hex."""
        return hmac.new(self.secret, purpose.encode(), hashlib.sha256).hexdigest()

    def signing_secrets(self) -> tuple[str, ...]:
        """Return the secrets that a webhook may be signed with; the simulator signs with the first."""
        return self.webhook_secrets or (f"whsec_{self.derive('webhook')[:48]}",)


def from_environment(environment: Mapping[str, str] = os.environ, *, secret: bytes = b"") -> Settings:
    """Read the settings; `secret` is used where `NEXTBUY_SECRET` is unset.

    Raises:
        ConfigError: a setting cannot be used.
    """

    def read(name: str, default: str = "") -> str:
        return environment.get(f"NEXTBUY_{name}", "").strip() or default

    if read("STRIPE_KEY"):
        message = "NEXTBUY_STRIPE_KEY is set, but payments go to the simulator in this version: unset it."
        raise ConfigError(message)
    host = read("HOST", "127.0.0.1")
    port = _number("PORT", read("PORT", "8080"), least=1, most=65535)
    level = read("LOG_LEVEL", "info").lower()
    if level not in _LEVELS:
        message = f"NEXTBUY_LOG_LEVEL is one of {', '.join(sorted(_LEVELS))}, not {level!r}."
        raise ConfigError(message)
    given = read("SECRET").encode()
    if given and len(given) < 16:  # noqa: PLR2004
        message = "NEXTBUY_SECRET must have at least 16 characters."
        raise ConfigError(message)
    return Settings(
        secret=given or secret,
        postgres_url=_url("POSTGRES_URL", read("POSTGRES_URL"), {"postgres", "postgresql"}),
        redis_url=_url("REDIS_URL", read("REDIS_URL"), {"redis", "rediss", "unix"}),
        kafka=_kafka(read),
        smtp=_smtp(read),
        service_urls={
            name: url
            for name in (*SERVICES, "simulator")
            if (url := _url(f"{name.upper()}_URL", read(f"{name.upper()}_URL"), {"http", "https"}))
        },
        public_url=_url("PUBLIC_URL", read("PUBLIC_URL", f"http://{host}:{int(port)}"), {"http", "https"}).rstrip("/"),
        host=host,
        port=int(port),
        data=Path(read("DATA", "var")),
        webhook_secrets=tuple(part.strip() for part in read("WEBHOOK_SECRETS").split(",") if part.strip()),
        session_minutes=_number("SESSION_MINUTES", read("SESSION_MINUTES", "30"), least=0.01, most=24 * 60),
        rate_limits=read("RATE_LIMITS", "on").lower() not in {"off", "0", "no", "false"},
        cors_origins=_origins(read("CORS_ORIGINS")),
        log_level=level,
    )


def _kafka(read: Callable[[str, str], str]) -> Kafka:
    username = read("KAFKA_USERNAME", "")
    protocol = _one_of(
        "KAFKA_SECURITY_PROTOCOL",
        read("KAFKA_SECURITY_PROTOCOL", "SASL_SSL" if username else "PLAINTEXT").upper(),
        _PROTOCOLS,
    )
    mechanism = _one_of("KAFKA_SASL_MECHANISM", read("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512").upper(), _MECHANISMS)
    if protocol.startswith("SASL") != bool(username):
        message = (
            f"NEXTBUY_KAFKA_SECURITY_PROTOCOL {protocol} and NEXTBUY_KAFKA_USERNAME do not fit: SASL needs a user."
        )
        raise ConfigError(message)
    ca = read("KAFKA_CA", "")
    if ca and not Path(ca).is_file():
        message = f"NEXTBUY_KAFKA_CA names no file: {ca}."
        raise ConfigError(message)
    prefix = read("KAFKA_PREFIX", Kafka().prefix)
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", prefix):
        message = f"NEXTBUY_KAFKA_PREFIX is made of at most 100 letters, digits, '.', '_' and '-', not {prefix!r}."
        raise ConfigError(message)
    return Kafka(
        servers=_servers(read("KAFKA_SERVERS", "")),
        security_protocol=protocol,
        sasl_mechanism=mechanism,
        username=username,
        password=read("KAFKA_PASSWORD", ""),
        ca=ca,
        prefix=prefix,
        partitions=int(_number("KAFKA_PARTITIONS", read("KAFKA_PARTITIONS", "6"), least=1, most=10_000)),
        replication=int(_number("KAFKA_REPLICATION", read("KAFKA_REPLICATION", "0"), least=0, most=100)),
    )


def _smtp(read: Callable[[str, str], str]) -> Smtp:
    """Read where mails go; no message repeats the URL, which may hold a password."""
    url = read("SMTP_URL", "")
    if not url:
        return Smtp()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in {"smtp", "smtps"} or not host or parts.path not in {"", "/"} or parts.query:
        message = "NEXTBUY_SMTP_URL is smtp://USER:PASSWORD@HOST:PORT or smtps://…; encode odd characters as %XX."
        raise ConfigError(message)
    said = read("MAIL_FROM", "")
    name, address = parseaddr(said)
    try:
        sender = Address(name, addr_spec=convert(address, Email))
    except (ValueError, MessageError, MsgspecError):
        sender = Address()
    if not sender.domain or not address.isascii() or not said.isprintable():
        message = "NEXTBUY_SMTP_URL needs NEXTBUY_MAIL_FROM, like shop@example.com or Shop <shop@example.com>."
        raise ConfigError(message)
    tls = parts.scheme == "smtps"
    return Smtp(
        host=host,
        port=port or (465 if tls else 587),
        tls=tls,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        sender=address,
        sender_name=name,
    )


def _servers(text: str) -> str:
    servers = [part.strip() for part in text.split(",") if part.strip()]
    for server in servers:
        host, _, port = server.rpartition(":")
        if not host or not port.isdecimal() or "/" in server:
            message = f"NEXTBUY_KAFKA_SERVERS lists HOST:PORT, separated by commas, and {server!r} is none."
            raise ConfigError(message)
    return ",".join(servers)


def _one_of(name: str, text: str, allowed: Sequence[str]) -> str:
    if text not in allowed:
        message = f"NEXTBUY_{name} is one of {', '.join(allowed)}, not {text!r}."
        raise ConfigError(message)
    return text


def _number(name: str, text: str, *, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        message = f"NEXTBUY_{name} is a number from {least:g} to {most:g}, not {text!r}."
        raise ConfigError(message)
    return number


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if origin != f"{parts.scheme}://{parts.netloc}" or parts.scheme not in {"http", "https"} or not parts.netloc:
            message = f"NEXTBUY_CORS_ORIGINS lists origins like https://shop.example, and {origin!r} is none."
            raise ConfigError(message)
    return origins


def _url(name: str, text: str, schemes: set[str]) -> str:
    if text and urlsplit(text).scheme not in schemes:
        message = f"NEXTBUY_{name} is a URL that begins with {' or '.join(sorted(s + '://' for s in schemes))}."
        raise ConfigError(message)
    return text
