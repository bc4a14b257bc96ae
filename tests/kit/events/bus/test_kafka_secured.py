"""The bus on a Kafka that requires TLS and a login, as in production."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nextbuy.kit.config import Kafka, from_environment
from nextbuy.kit.events.bus.interface import BusUnavailable
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.events.bus.kafka_connection import OutageLog, client_settings
from nextbuy.kit.events.relay import Relay
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from tests.kafka_broker import own_broker, own_prefix
from tests.kit.events.bus.test_conformance import messages, reading
from tests.kit.events.sample import Counted, Measured, commit, count_is
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)
PASSWORD = "open sesame"

_SETTINGS = """
listeners=SASL_SSL://{{host}}:{{port}},CONTROLLER://{{host}}:{{controller}}
advertised.listeners=SASL_SSL://{{host}}:{{port}}
listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required username="broker" password="{password}";
listener.name.sasl_ssl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_shop="{password}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:broker;User:shop;User:ANONYMOUS
"""


@dataclass(frozen=True)
class Secured:
    """The broker's servers, and the settings of an authorized user."""

    servers: str
    ca: Path

    def settings(self, **other: str) -> Kafka:
        """Return the settings of an authorized user, read as a process does, with some replaced by `other`."""
        usual = {
            "SERVERS": self.servers,
            "USERNAME": "shop",
            "PASSWORD": PASSWORD,
            "CA": str(self.ca),
            "PARTITIONS": "2",
            "REPLICATION": "1",
            "PREFIX": own_prefix(),
        }
        return from_environment({f"NEXTBUY_KAFKA_{name}": value for name, value in (usual | other).items()}).kafka

    def bus(self, **other: str) -> KafkaBus:
        """Return a bus on this broker."""
        return KafkaBus(self.settings(**other))


def write_certificates(folder: Path) -> None:
    """Write a certificate authority, `ca.pem`, and a broker's key and certificate that it signed, `broker.pem`."""
    now = datetime.now(UTC)
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of the test's own")])

    def builder(subject: x509.Name, of: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder(issuer_name=name, subject_name=subject, public_key=of.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
        )

    ca = builder(name, authority).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    broker = builder(x509.Name([]), key).add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    ca_pem = ca.sign(authority, hashes.SHA256()).public_bytes(pem)
    (folder / "ca.pem").write_bytes(ca_pem)
    (folder / "broker.pem").write_bytes(private + broker.sign(authority, hashes.SHA256()).public_bytes(pem) + ca_pem)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A broker that accepts only TLS and known users."""
    folder = tmp_path_factory.mktemp("secured")
    write_certificates(folder)
    users = dict.fromkeys(("broker", "shop", "guest"), PASSWORD)
    with own_broker(settings=_SETTINGS.format(folder=folder, password=PASSWORD), users=users) as broker:
        yield Secured(broker.servers, folder / "ca.pem")


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
async def test_authorized_user_publishes_and_consumes_over_tls(secured: Secured, mechanism: str) -> None:
    bus = secured.bus(SASL_MECHANISM=mechanism)
    async with reading(bus, "g", "t") as reader:
        await bus.publish(messages("t", range(30), key=str))
        await until(lambda: sorted(reader.of("t")) == list(range(30)))
    await bus.close()


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({"PASSWORD": "open barley"}, "NEXTBUY_KAFKA_USERNAME"),
        ({"USERNAME": "nobody"}, "NEXTBUY_KAFKA_USERNAME"),
        ({"CA": ""}, "NEXTBUY_KAFKA_CA"),
    ],
    ids=["wrong password", "unknown user", "unknown authority"],
)
async def test_denied_access_is_logged_once_and_loses_nothing(
    secured: Secured, publisher: Database, caplog: pytest.LogCaptureFixture, wrong: dict[str, str], setting: str
) -> None:
    await commit(publisher, Counted(about="a", n=1))
    prefix = own_prefix()
    refused = secured.bus(PREFIX=prefix, **wrong)
    async with reading(refused, "g", Counted.topic) as nothing:
        with pytest.raises(BusUnavailable):
            await Relay(publisher, refused, Journal()).publish_batch()
        await until(lambda: len(_warnings(caplog, setting)) == 2)
    assert nothing.got == []
    await refused.close()
    for waiting in ("group g", "publishing"):
        assert sum(waiting in line for line in _warnings(caplog, setting)) == 1
    assert all(PASSWORD not in line and "open barley" not in line for line in _warnings(caplog, ""))

    bus = secured.bus(PREFIX=prefix)
    subscription = bus.subscribe("g", [Counted.topic])
    assert await Relay(publisher, bus, Journal()).publish_batch() == 1
    async with asyncio.timeout(15):
        batch = await anext(aiter(subscription.batches()))
    assert len(batch.deliveries) == 1
    await subscription.close()
    await bus.close()


async def test_topic_without_rights_waits_and_other_topics_go_on(
    secured: Secured, publisher: Database, caplog: pytest.LogCaptureFixture
) -> None:
    prefix = own_prefix()
    shop, guest = secured.bus(PREFIX=prefix), secured.bus(PREFIX=prefix, USERNAME="guest")
    await allow(secured, "guest", f"{prefix}{Counted.topic}", AclOperation.WRITE, AclOperation.CREATE)
    await commit(publisher, *[event for n in range(3) for event in (Measured(about="a", n=n), Counted(about="a", n=n))])
    relaying = asyncio.create_task(Relay(publisher, guest, Journal()).run())

    await until(lambda: count_is(publisher, "outbox", 3), timeout=60)
    rows = await publisher.fetch("SELECT DISTINCT topic FROM outbox JOIN event_log USING (id)")
    assert [row["topic"] for row in rows] == [Measured.topic]
    assert len(_warnings(caplog, "topic refused by the bus")) == 1
    [refused] = [record for record in caplog.records if "topic refused by the bus" in record.getMessage()]
    assert "NEXTBUY_KAFKA_USERNAME" in refused.__dict__["reason"]

    await allow(secured, "guest", f"{prefix}{Measured.topic}", AclOperation.WRITE, AclOperation.CREATE)
    await until(lambda: count_is(publisher, "outbox", 0), timeout=60)
    relaying.cancel()
    await asyncio.gather(relaying, return_exceptions=True)
    subscription = shop.subscribe("g", [Measured.topic])
    async with asyncio.timeout(15):
        batch = await anext(aiter(subscription.batches()))
    assert len(batch.deliveries) == 3
    await subscription.close()
    for bus in (shop, guest):
        await bus.close()


async def test_missing_rights_are_reported_before_events_wait(secured: Secured) -> None:
    prefix = own_prefix()
    shop, guest = secured.bus(PREFIX=prefix), secured.bus(PREFIX=prefix, USERNAME="guest")
    await shop.publish(messages("t", range(1)))
    assert await shop.risks(["t"]) == []

    await allow(secured, "guest", f"{prefix}t", AclOperation.READ)

    assert [(risk.name, risk.severity) for risk in await guest.risks(["t"])] == [
        ("kafka-rights", "warning"),
        ("kafka-unknown", "unknown"),
    ]
    for bus in (shop, guest):
        await bus.close()


async def test_missing_right_on_the_marker_is_named_and_hides_another_marketplace_only(secured: Secured) -> None:
    prefix = own_prefix()
    guest, topic = secured.bus(PREFIX=prefix, USERNAME="guest"), f"{prefix}marketplace"
    for right in (AclOperation.READ, AclOperation.CREATE, AclOperation.WRITE):
        [risk] = await guest.claim_prefix("ours")
        assert (risk.name, risk.severity) == ("kafka-prefix-unknown", "unknown")
        assert f"denies {right.name} on the topic {topic}. Grant READ, WRITE and" in risk.problem
        await allow(secured, "guest", topic, right)

    assert await guest.claim_prefix("ours") == []

    assert [risk.name for risk in await secured.bus(PREFIX=prefix).claim_prefix("theirs")] == ["kafka-prefix"]


async def allow(secured: Secured, user: str, topic: str, *operations: AclOperation) -> None:
    """Allow operations on a topic."""
    admin = AdminClient(client_settings(secured.settings(), "test", OutageLog("the test")))
    bindings = [
        AclBinding(
            ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{user}", "*", operation,
            AclPermissionType.ALLOW,
        )
        for operation in operations
    ]  # fmt: skip
    for result in admin.create_acls(bindings).values():
        await asyncio.to_thread(result.result, 15)


def _warnings(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    return [line for line in lines if text in line]
