"""What every client of Kafka here needs: who and where the cluster is, topics that are there, trouble told once."""

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

MOST_BYTES: Final = 8 * 1024 * 1024
"""The longest event that is taken."""
TIMEOUT: Final = 4.0
"""Seconds that one conversation with the cluster may take."""
_TOPICS_TIMEOUT: Final = 3.0
"""Less, so that it is known why nothing can be published."""
_PROPAGATION: Final = 0.05

_REFUSED: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001  the library names its own errors so
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_AWAY: Final = frozenset({KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT})  # noqa: SLF001


class _Library:
    """Takes what librdkafka would print: each of its tries to connect; what matters of it, `Trouble` says."""

    def log(self, _level: int, words: str, *values: object) -> None:
        """Note something; the library calls this."""
        log.debug(words, *values)


class Trouble:
    """Logs the beginning of trouble with the cluster and its end, and none of the tries between them."""

    def __init__(self, who: str) -> None:
        """`who` is what has to wait meanwhile."""
        self._who = who
        self._told: set[str] = set()

    def is_there(self, error: KafkaError) -> None:
        """Take notice of an error; that it is away is no news where it is known why."""
        kind, words = _what_to_say(error.code())
        if words in self._told or (kind == logging.WARNING and self._told):
            kind = logging.DEBUG
        log.log(kind, words, self._who, error.str())
        if kind != logging.DEBUG:
            self._told.add(words)

    def is_over(self) -> None:
        """Take notice that the cluster has answered."""
        if self._told:
            self._told.clear()
            log.info("Kafka is back; %s goes on.", self._who)


def _what_to_say(code: int) -> tuple[int, str]:
    if code in _REFUSED:
        return logging.ERROR, "Kafka refuses %s; look at NEXTBUY_KAFKA_USERNAME and its like, and at its rights: %s"
    if code == KafkaError._SSL:  # noqa: SLF001
        return logging.ERROR, "Kafka's certificate is not believed and %s waits; look at NEXTBUY_KAFKA_CA: %s"
    if code == KafkaError._RESOLVE:  # noqa: SLF001
        return logging.ERROR, "Kafka cannot be found and %s waits; look at NEXTBUY_KAFKA_SERVERS: %s"
    if code == KafkaError.INVALID_REPLICATION_FACTOR:
        return logging.ERROR, "Kafka makes no topics and %s waits; look at NEXTBUY_KAFKA_REPLICATION: %s"
    if code in _AWAY:
        return logging.WARNING, "Kafka is away; %s waits for it: %s"
    return logging.DEBUG, "Kafka, for %s: %s"


def client(kafka: Kafka, name: str, trouble: Trouble) -> dict[str, Any]:
    """Return the settings of a client of a cluster, `name` being how the cluster's logs show it."""
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
        "logger": _Library(),
        "error_cb": trouble.is_there,
    }
    if kafka.security_protocol.startswith("SASL"):
        settings |= {
            "sasl.mechanism": kafka.sasl_mechanism,
            "sasl.username": kafka.username,
            "sasl.password": kafka.password,
        }
    if kafka.security_protocol.endswith("SSL"):
        # The library's own guess at where a machine keeps its authorities is that of the machine it was built on.
        authorities = kafka.ca or ssl.get_default_verify_paths().cafile
        settings |= {"ssl.ca.location": authorities} if authorities else {}
    return settings


def make_topics(kafka: Kafka, topics: Iterable[str], trouble: Trouble) -> None:
    """Make the topics that are not there, and wait until they can be seen.

    Raises:
        KafkaException: the cluster is away, or will not.
    """
    # Held until all is answered: what it was asked ends with it.
    admin = AdminClient(client(kafka, "topics", trouble))
    deadline = time.monotonic() + _TOPICS_TIMEOUT
    wanted = set(topics)
    made = False
    try:
        while missing := wanted - admin.list_topics(timeout=_left(deadline)).topics.keys():
            if not made:
                _make(admin, kafka, missing, _left(deadline))
                made = True
            else:
                time.sleep(_PROPAGATION)
    except KafkaException as error:
        admin.poll(0)  # Here it says what the matter is.
        trouble.is_there(error.args[0])
        raise


class Probe:
    """Asks a cluster whether it is there, over a connection of its own that is kept."""

    def __init__(self, kafka: Kafka) -> None:
        """Prepare; who works with the cluster tells of trouble, so nothing is logged here."""
        self._errors: list[KafkaError] = []
        self._admin = AdminClient(client(kafka, "health", Trouble("health")) | {"error_cb": self._errors.append})

    def ask(self, seconds: float) -> str | None:
        """Return None where it answers within some seconds, else the reason; blocks."""
        self._errors.clear()
        try:
            self._admin.list_topics(timeout=seconds)
        except KafkaException as error:
            self._admin.poll(0)  # Here it says what the matter is.
            why = [one for one in self._errors if _what_to_say(one.code())[0] == logging.ERROR]
            return str((why[-1] if why else error.args[0]).str())
        return None


def _make(admin: AdminClient, kafka: Kafka, missing: Iterable[str], seconds: float) -> None:
    config = {"retention.ms": str(RETENTION_DAYS * 24 * 3600 * 1000), "max.message.bytes": str(MOST_BYTES)}
    answers = admin.create_topics(
        [
            NewTopic(topic, kafka.partitions, replication_factor=kafka.replication or -1, config=config)
            for topic in missing
        ],
        operation_timeout=seconds,
        request_timeout=seconds,
    )
    for answer in answers.values():
        try:
            answer.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001
    return left
