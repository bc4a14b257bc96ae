"""Settings, read from environment variables only. PostgreSQL and Redis run embedded unless their URLs are set.

Each field of `Settings` documents its variable; `nextbuy settings` and docs/settings.md are generated from it.
"""

import hashlib
import hmac
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, get_type_hints
from urllib.parse import urlsplit

from msgspec import Struct, field
from msgspec.structs import fields, replace

from nextbuy.contracts.values import MAX_QUANTITY
from nextbuy.kit.config_mail import Smtp, read_smtp
from nextbuy.kit.config_marketplace import Marketplace, read_marketplace
from nextbuy.kit.config_values import ConfigError, Setting, authorities, checked_prefix, checked_url, number, one_of
from nextbuy.kit.local_urls import url_of

PREFIX: Final = "NEXTBUY_"
"""The beginning of each variable's name."""
SERVICES: Final = ("auth", "product", "seller", "order", "admin", "notification", "analytics", "kafka")
"""The services behind the gateway, in the order in which they may be started."""
BUS_RISKS: Final = (
    "redis-persistence",
    "redis-eviction",
    "redis-cluster",
    "kafka-retention",
    "kafka-replication",
    "kafka-min-insync-replicas",
    "kafka-unclean-election",
)
"""Risks of losing events: each prevents the start unless NEXTBUY_ACCEPT_BUS_RISKS accepts it."""
REDIS_PREFIX: Final = "nextbuy:"
_LEVELS: Final = ("debug", "info", "warning", "error")
_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_MIN_SECRET: Final = 16
"""Characters that `NEXTBUY_SECRET` has at least."""


def _choices(values: Sequence[str]) -> str:
    return f"One of {', '.join(f'`{value}`' for value in values)}."


class Kafka(Struct, frozen=True, kw_only=True):
    """The Kafka cluster that carries events, unless `servers` is empty; `replication` 0 is the cluster's default."""

    servers: Annotated[
        str, Setting("KAFKA_SERVERS", "`HOST:PORT` of Apache Kafka, comma-separated.", "Redis Streams", "Kafka")
    ] = ""
    security_protocol: Annotated[
        str, Setting("KAFKA_SECURITY_PROTOCOL", _choices(_PROTOCOLS), "`SASL_SSL` with a user, else `PLAINTEXT`")
    ] = "PLAINTEXT"
    sasl_mechanism: Annotated[str, Setting("KAFKA_SASL_MECHANISM", _choices(_MECHANISMS))] = "SCRAM-SHA-512"
    username: Annotated[str, Setting("KAFKA_USERNAME", "SASL user.", "none")] = ""
    password: Annotated[str, Setting("KAFKA_PASSWORD", "Password of the SASL user.", "none")] = ""
    ca: Annotated[str, Setting("KAFKA_CA", "File of trusted authorities for Kafka's certificate.", "the system's")] = ""
    prefix: Annotated[
        str,
        Setting("KAFKA_PREFIX", "Prefix of topics and consumer groups; each marketplace on one Kafka needs its own."),
    ] = "nextbuy."
    partitions: Annotated[int, Setting("KAFKA_PARTITIONS", "Partitions of a topic that NextBuy creates.")] = 6
    replication: Annotated[
        int, Setting("KAFKA_REPLICATION", "Replicas of a topic that NextBuy creates.", "the cluster's default")
    ] = 0


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of one process."""

    host: Annotated[str, Setting("HOST", "IP address to listen on.", section="Gateway")] = "127.0.0.1"
    port: Annotated[int, Setting("PORT", "Port to listen on.")] = 8080
    public_url: Annotated[
        str, Setting("PUBLIC_URL", "Public base URL of the gateway, for links and redirects.", "`http://HOST:PORT`")
    ] = "http://127.0.0.1:8080"
    follow_loopback: bool = False
    """Whether links keep the loopback name that a client uses: only without a public URL."""
    cors_origins: Annotated[
        tuple[str, ...], Setting("CORS_ORIGINS", "Other origins whose pages may use the API, comma-separated.", "none")
    ] = ()
    time_zone: Annotated[str, Setting("TIME_ZONE", "Zone of times on pages without script, such as Europe/Berlin.")] = (
        "UTC"
    )
    rate_limits: Annotated[bool, Setting("RATE_LIMITS", "`off` disables rate limits, for load tests.", "`on`")] = True
    postgres_url: Annotated[
        str, Setting("POSTGRES_URL", "PostgreSQL 17 or newer; its role creates databases.", "embedded", "Engines")
    ] = ""
    postgres_connections: Annotated[
        int,
        Setting(
            "POSTGRES_CONNECTIONS",
            "Most database connections of each copy of a service; a copy of product opens one more.",
        ),
    ] = 8
    redis_url: Annotated[str, Setting("REDIS_URL", "Redis, for events and rate limits.", "embedded")] = ""
    cache_url: Annotated[
        str,
        Setting(
            "CACHE_URL",
            "Redis 6.2 or newer for the shared cache; it may evict, so it must not be that of the events.",
            "embedded; none with `NEXTBUY_REDIS_URL`",
        ),
    ] = ""
    redis_prefix: Annotated[
        str, Setting("REDIS_PREFIX", "Prefix of keys in Redis; each marketplace on one Redis needs its own.")
    ] = REDIS_PREFIX
    accepted_bus_risks: Annotated[
        tuple[str, ...],
        Setting(
            "ACCEPT_BUS_RISKS",
            "Risks of losing events that do not stop the start, comma-separated: "
            + ", ".join(f"`{risk}`" for risk in BUS_RISKS)
            + ".",
            "none",
        ),
    ] = ()
    data: Annotated[Path, Setting("DATA", "Folder of the embedded engines, the secret, and the log.")] = Path("var")
    secret: Annotated[
        bytes, Setting("SECRET", "Source of the other secrets, the same in all processes.", "generated", "Secrets")
    ]
    webhook_secrets: Annotated[
        tuple[str, ...],
        Setting("WEBHOOK_SECRETS", "Secrets that may sign payment webhooks, newest first, comma-separated.", "derived"),
    ] = ()
    service_urls: Annotated[
        dict[str, str],
        Setting("<SERVICE>_URL", "Internal base URL of a service in another process.", "this process", "Services"),
    ] = field(default_factory=dict)
    session_minutes: Annotated[
        float, Setting("SESSION_MINUTES", "Minutes until an unpaid checkout expires and releases its stock.", "`30`")
    ] = 30.0
    checkout_units: Annotated[int, Setting("CHECKOUT_UNITS", "Maximum units of a product in one checkout.")] = 10
    open_checkouts: Annotated[
        int,
        Setting(
            "OPEN_CHECKOUTS",
            "Maximum open checkouts per IP address (IPv6: /64), of accounts that have never paid; not limited with"
            " `NEXTBUY_RATE_LIMITS=off`.",
        ),
    ] = 20
    log_level: Annotated[str, Setting("LOG_LEVEL", _choices(_LEVELS))] = "info"
    trace_days: Annotated[
        float, Setting("TRACE_DAYS", "Days for which interactions are stored, for `nextbuy trace`.", "`7`", "Traces")
    ] = 7.0
    trace_bytes: Annotated[
        int, Setting("TRACE_BYTES", "Bytes of interactions; the oldest are deleted first, purchases and failures last.")
    ] = 2_000_000_000
    marketplace: Marketplace = Marketplace()
    smtp: Smtp = Smtp()
    kafka: Kafka = Kafka()

    def derive(self, purpose: str) -> str:
        """Return a secret for one purpose: HMAC-SHA256 of the purpose under the installation's secret, as hex."""
        return hmac.new(self.secret, purpose.encode(), hashlib.sha256).hexdigest()

    def cache_prefix(self, release: str, service: str) -> str:
        """Return the beginning of a service's keys in the cache; marketplaces with other secrets have others."""
        return f"{self.redis_prefix}{self.derive('cache-prefix')[:12]}:cache:{release}:{service}:"

    def signing_secrets(self) -> tuple[str, ...]:
        """Return the secrets that may sign a payment webhook; the simulator signs with the first."""
        return self.webhook_secrets or (f"whsec_{self.derive('webhook')[:48]}",)


_DEFAULT: Final = Settings(secret=b"")


def documented_settings(kind: type[Struct] = Settings) -> Iterator[Setting]:
    """Yield the documentation of each variable, section by section, with defaults filled in."""
    hints, section = get_type_hints(kind, include_extras=True), ""
    for info in fields(kind):
        for setting in getattr(hints[info.name], "__metadata__", ()):
            section = setting.section or section
            yield replace(setting, section=section, default=setting.default or f"`{info.default}`")
        if isinstance(info.default, Struct):
            yield from documented_settings(type(info.default))


def from_environment(environment: Mapping[str, str] = os.environ, *, secret: bytes = b"") -> Settings:
    """Read the settings; `secret` is the default of `NEXTBUY_SECRET`. Raises ConfigError if one is invalid."""

    def read(name: str, default: str = "") -> str:
        return environment.get(f"{PREFIX}{name}", "").strip() or default

    if read("STRIPE_KEY"):
        message = "NEXTBUY_STRIPE_KEY is set, but this version pays through the simulator only. Unset it."
        raise ConfigError(message)
    host = read("HOST", _DEFAULT.host).strip("[]")
    port = int(number("PORT", read("PORT"), _DEFAULT.port, minimum=1, maximum=65535))
    configured = read("SECRET").encode()
    if configured and len(configured) < _MIN_SECRET:
        message = f"NEXTBUY_SECRET is too short. Use at least {_MIN_SECRET} characters."
        raise ConfigError(message)
    return Settings(
        secret=configured or secret,
        postgres_url=checked_url("POSTGRES_URL", read("POSTGRES_URL"), {"postgres", "postgresql"}),
        postgres_connections=int(
            number(
                "POSTGRES_CONNECTIONS",
                read("POSTGRES_CONNECTIONS"),
                _DEFAULT.postgres_connections,
                minimum=2,
                maximum=1_000,
            )
        ),
        redis_url=checked_url("REDIS_URL", read("REDIS_URL"), {"redis", "rediss", "unix"}),
        cache_url=checked_url("CACHE_URL", read("CACHE_URL"), {"redis", "rediss", "unix"}),
        redis_prefix=checked_prefix("REDIS_PREFIX", read("REDIS_PREFIX", _DEFAULT.redis_prefix), ":{}"),
        accepted_bus_risks=_bus_risks(read("ACCEPT_BUS_RISKS")),
        kafka=_kafka(read),
        marketplace=read_marketplace(read),
        smtp=read_smtp(read),
        service_urls={
            name: url
            for name in (*SERVICES, "simulator", "web", "gateway")
            if (url := checked_url(f"{name.upper()}_URL", read(f"{name.upper()}_URL"), {"http", "https"}))
        },
        public_url=checked_url("PUBLIC_URL", read("PUBLIC_URL", url_of(host, port)), {"http", "https"}).rstrip("/"),
        follow_loopback=not read("PUBLIC_URL"),
        host=host,
        port=port,
        time_zone=read("TIME_ZONE", _DEFAULT.time_zone),
        data=Path(read("DATA", str(_DEFAULT.data))),
        webhook_secrets=tuple(part.strip() for part in read("WEBHOOK_SECRETS").split(",") if part.strip()),
        session_minutes=number(
            "SESSION_MINUTES", read("SESSION_MINUTES"), _DEFAULT.session_minutes, minimum=0.01, maximum=24 * 60
        ),
        checkout_units=int(
            number("CHECKOUT_UNITS", read("CHECKOUT_UNITS"), _DEFAULT.checkout_units, minimum=1, maximum=MAX_QUANTITY)
        ),
        open_checkouts=int(
            number("OPEN_CHECKOUTS", read("OPEN_CHECKOUTS"), _DEFAULT.open_checkouts, minimum=1, maximum=100_000)
        ),
        rate_limits=read("RATE_LIMITS", "on").lower() not in {"off", "0", "no", "false"},
        cors_origins=_origins(read("CORS_ORIGINS")),
        trace_days=number("TRACE_DAYS", read("TRACE_DAYS"), _DEFAULT.trace_days, minimum=0.01, maximum=3650),
        trace_bytes=int(
            number("TRACE_BYTES", read("TRACE_BYTES"), _DEFAULT.trace_bytes, minimum=1_000_000, maximum=1e15)
        ),
        log_level=one_of("LOG_LEVEL", read("LOG_LEVEL", _DEFAULT.log_level).lower(), _LEVELS),
    )


def _kafka(read: Callable[[str, str], str]) -> Kafka:
    default = _DEFAULT.kafka
    username = read("KAFKA_USERNAME", "")
    protocol = one_of(
        "KAFKA_SECURITY_PROTOCOL",
        read("KAFKA_SECURITY_PROTOCOL", "SASL_SSL" if username else default.security_protocol).upper(),
        _PROTOCOLS,
    )
    mechanism = one_of(
        "KAFKA_SASL_MECHANISM", read("KAFKA_SASL_MECHANISM", default.sasl_mechanism).upper(), _MECHANISMS
    )
    if protocol.startswith("SASL") and not username:
        message = f"NEXTBUY_KAFKA_SECURITY_PROTOCOL is {protocol}, but there is no user. Set NEXTBUY_KAFKA_USERNAME."
        raise ConfigError(message)
    if username and not protocol.startswith("SASL"):
        message = f"NEXTBUY_KAFKA_SECURITY_PROTOCOL {protocol} has no users. Unset NEXTBUY_KAFKA_USERNAME, or use SASL."
        raise ConfigError(message)
    return Kafka(
        servers=_servers(read("KAFKA_SERVERS", "")),
        security_protocol=protocol,
        sasl_mechanism=mechanism,
        username=username,
        password=read("KAFKA_PASSWORD", ""),
        ca=authorities("KAFKA_CA", read("KAFKA_CA", "")),
        prefix=checked_prefix("KAFKA_PREFIX", read("KAFKA_PREFIX", default.prefix)),
        partitions=int(
            number("KAFKA_PARTITIONS", read("KAFKA_PARTITIONS", ""), default.partitions, minimum=1, maximum=10_000)
        ),
        replication=int(
            number("KAFKA_REPLICATION", read("KAFKA_REPLICATION", ""), default.replication, minimum=0, maximum=100)
        ),
    )


def _servers(value: str) -> str:
    servers = [part.strip() for part in value.split(",") if part.strip()]
    for server in servers:
        host, _, port = server.rpartition(":")
        if not host or not port.isdecimal() or "/" in server:
            message = f"NEXTBUY_KAFKA_SERVERS contains {server!r}. Use HOST:PORT, separated by commas."
            raise ConfigError(message)
    return ",".join(servers)


def _bus_risks(value: str) -> tuple[str, ...]:
    return tuple(one_of("ACCEPT_BUS_RISKS", part.strip(), BUS_RISKS) for part in value.split(",") if part.strip())


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if origin != f"{parts.scheme}://{parts.netloc}" or parts.scheme not in {"http", "https"} or not parts.netloc:
            message = f"NEXTBUY_CORS_ORIGINS contains {origin!r}. Use origins like https://shop.example."
            raise ConfigError(message)
    return origins
