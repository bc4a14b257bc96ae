"""Shared parts of the Kafka clients: their settings, missing topics, and a log of outages without repetition."""

import logging
import ssl
import time
from collections.abc import Iterable
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.interface import RETENTION_DAYS

log: Final = logging.getLogger(__name__)

MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024
"""Bytes of the largest message; several times `outbox.MAX_EVENT_BYTES`, for what others may publish."""
RETENTION_MS: Final = RETENTION_DAYS * 24 * 3600 * 1000
MIN_INSYNC_REPLICAS: Final = 2
"""Brokers that have stored an event before it is acknowledged."""
REPLICAS_FOR_MIN_INSYNC: Final = 3
"""Replicas that this needs; with fewer, publishing would stop whenever one broker restarts."""
TIMEOUT: Final = 4.0
"""Seconds per request to the cluster."""
_TOPICS_TIMEOUT: Final = 3.0
"""Seconds to create topics: less than the bus waits for it, so that the bus can name the reason of a failure."""
_PROPAGATION_PAUSE: Final = 0.05
"""Seconds between checks whether new topics are visible."""

_DENIED: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001  the library names its own errors so
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
REFUSALS: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.POLICY_VIOLATION,
    }
)
"""Errors that the state of a topic causes, and not a message."""
_UNAVAILABLE: Final = frozenset({KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT})  # noqa: SLF001


class _LibraryLogger:
    """The logger of librdkafka, at level debug: it reports each attempt to connect; `OutageLog` reports outages."""

    def log(self, _level: int, text: str, *values: object) -> None:
        """Log a line of the library."""
        log.debug(text, *values)


class OutageLog:
    """A log of the start and the end of an outage, during which `activity` waits; not of the attempts in between."""

    def __init__(self, activity: str) -> None:
        self._activity = activity
        self._logged: set[str] = set()

    def report(self, error: KafkaError) -> None:
        """Log an error once; that the cluster is unavailable is not logged if a more specific reason is known."""
        level, line = _log_line(error.code())
        if line in self._logged or (level == logging.WARNING and self._logged):
            level = logging.DEBUG
        log.log(level, line, self._activity, error.str())
        if level != logging.DEBUG:
            self._logged.add(line)

    def recovered(self) -> None:
        """Log that the outage is over, if one was logged."""
        if self._logged:
            self._logged.clear()
            log.info("Kafka available again; %s continues", self._activity)


def _log_line(code: int) -> tuple[int, str]:
    if code in _DENIED:
        return logging.ERROR, "Kafka denied access; %s waits. Check NEXTBUY_KAFKA_USERNAME and its permissions: %s"
    if code == KafkaError._SSL:  # noqa: SLF001
        return logging.ERROR, "Kafka's certificate is not trusted; %s waits. Check NEXTBUY_KAFKA_CA: %s"
    if code == KafkaError._RESOLVE:  # noqa: SLF001
        return logging.ERROR, "Kafka's host name cannot be resolved; %s waits. Check NEXTBUY_KAFKA_SERVERS: %s"
    if code == KafkaError.INVALID_REPLICATION_FACTOR:
        return logging.ERROR, "Kafka refused to create topics; %s waits. Check NEXTBUY_KAFKA_REPLICATION: %s"
    if code in _UNAVAILABLE:
        return logging.WARNING, "Kafka unavailable; %s waits: %s"
    return logging.DEBUG, "Kafka error; %s waits: %s"


def refusal(error: KafkaError) -> str:
    """Return why the cluster refuses a topic, and the remedy."""
    if error.code() in _DENIED:
        remedy = "Check NEXTBUY_KAFKA_USERNAME and its permissions."
    elif error.code() == KafkaError.INVALID_REPLICATION_FACTOR:
        remedy = "Check NEXTBUY_KAFKA_REPLICATION."
    else:
        remedy = "Check the topic."
    return f"Kafka refuses the topic: {error.name()}, {error.str()}. {remedy}"


def client_settings(kafka: Kafka, name: str, outage_log: OutageLog) -> dict[str, Any]:
    """Return librdkafka's settings of a client; `name` is shown in the cluster's logs."""
    settings: dict[str, Any] = {
        "bootstrap.servers": kafka.servers,
        "client.id": f"nextbuy-{name}",
        "security.protocol": kafka.security_protocol,
        "socket.timeout.ms": int(TIMEOUT * 1000),
        "socket.connection.setup.timeout.ms": int(TIMEOUT * 1000),
        "socket.keepalive.enable": True,
        "socket.nagle.disable": True,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1000,
        "retry.backoff.max.ms": 500,
        "log.connection.close": False,
        "logger": _LibraryLogger(),
        "error_cb": outage_log.report,
    }
    if kafka.security_protocol.startswith("SASL"):
        settings |= {
            "sasl.mechanism": kafka.sasl_mechanism,
            "sasl.username": kafka.username,
            "sasl.password": kafka.password,
        }
    if kafka.security_protocol.endswith("SSL"):
        # The library's default is the path of certificate authorities on the machine that it was built on.
        ca = kafka.ca or ssl.get_default_verify_paths().cafile
        settings |= {"ssl.ca.location": ca} if ca else {}
    return settings


def create_topics(
    kafka: Kafka, topics: Iterable[str], outage_log: OutageLog, *, retention_ms: int = RETENTION_MS
) -> dict[str, KafkaError]:
    """Create missing topics, and block until they are visible; return those that the cluster refuses to create.

    Raises:
        KafkaException: the cluster did not answer in time.
    """
    # A variable, because requests are cancelled when their client is deleted.
    admin = AdminClient(client_settings(kafka, "topics", outage_log))
    deadline = time.monotonic() + _TOPICS_TIMEOUT
    required = set(topics)
    refused: dict[str, KafkaError] = {}
    created = False
    try:
        while missing := required - refused.keys() - admin.list_topics(timeout=remaining(deadline)).topics.keys():
            if not created:
                refused = _create(admin, kafka, missing, retention_ms, remaining(deadline))
                created = True
            else:
                time.sleep(_PROPAGATION_PAUSE)
    except KafkaException as error:
        admin.poll(0)  # Runs the error callback, which has the reason.
        outage_log.report(error.args[0])
        raise
    return refused


class Probe:
    """A health check of a cluster, over a separate permanent connection."""

    def __init__(self, kafka: Kafka) -> None:
        """Prepare, without a log: the clients that publish and consume report an outage."""
        self._errors: list[KafkaError] = []
        settings = client_settings(kafka, "health", OutageLog("health")) | {"error_cb": self._errors.append}
        self._admin = AdminClient(settings)

    def check(self, timeout: float) -> str | None:
        """Block until the cluster answers and return None, or return the reason if it does not within `timeout`."""
        self._errors.clear()
        try:
            self._admin.list_topics(timeout=timeout)
        except KafkaException as error:
            self._admin.poll(0)  # Runs the error callback, which has the reason.
            specific = [reported for reported in self._errors if _log_line(reported.code())[0] == logging.ERROR]
            return str((specific[-1] if specific else error.args[0]).str())
        return None


def _create(
    admin: AdminClient, kafka: Kafka, missing: Iterable[str], retention_ms: int, timeout: float
) -> dict[str, KafkaError]:
    """Create topics; return those that the cluster refuses, and raise any other failure."""
    config = {
        "retention.ms": str(retention_ms),
        "retention.bytes": "-1",
        "cleanup.policy": "delete",
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
    }
    if kafka.replication >= REPLICAS_FOR_MIN_INSYNC:
        config["min.insync.replicas"] = str(MIN_INSYNC_REPLICAS)
    results = admin.create_topics(
        [
            NewTopic(topic, kafka.partitions, replication_factor=kafka.replication or -1, config=config)
            for topic in missing
        ],
        operation_timeout=timeout,
        request_timeout=timeout,
    )
    refused: dict[str, KafkaError] = {}
    for topic, result in results.items():
        try:
            result.result()
        except KafkaException as error:
            reported = error.args[0]
            if reported.code() in REFUSALS:
                refused[topic] = reported
            elif reported.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    return refused


def remaining(deadline: float) -> float:
    """Return the seconds until a deadline (of `time.monotonic`); raise the library's timeout if it has passed."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001
    return seconds
