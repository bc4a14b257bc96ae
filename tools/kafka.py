"""A real Apache Kafka, one node, for a machine that has Java and no container: `tools/kafka.py --port 9092`.

The jars come through Maven once, as `deploy/kafka/pom.xml` says, and are kept beside the data. One process is broker
and controller (KRaft). It runs in the foreground until Ctrl-C, and finds its data again.
"""

import argparse
import base64
import fcntl
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

ROOT = Path(__file__).resolve().parent.parent
POM = ROOT / "deploy" / "kafka" / "pom.xml"
JARS = ROOT / "var" / "kafka" / "jars"
HOST = "127.0.0.1"
OLDEST_JAVA = 17
INSTALL = "on Debian or Ubuntu: sudo apt-get install"
START_TIMEOUT = 60.0
_PORT_TIMEOUT = 3.0
"""Seconds that a broker which was just killed may take to let go of its port."""
# Small and quick to start: it serves one machine. What it costs in throughput is not what a laptop looks for.
JVM = ["-Xms64m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Dlog4j2.level=ERROR"]

EMPTY: Mapping[str, str] = MappingProxyType({})

SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={logs}
auto.create.topics.enable=false
default.replication.factor=1
message.max.bytes=10485760
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
# A node that was killed comes back as soon as its last self is given up.
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=250
# The first of a group need not wait for others.
group.initial.rebalance.delay.ms=0
# Dead consumers of the classic protocol are given up as soon as they themselves ask for it.
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=2097152
"""


class CannotRun(Exception):
    """What stands in the way, and what to do; one sentence."""


def missing() -> str | None:
    """Return what this machine lacks for a Kafka, as a sentence; None where nothing is."""
    java = shutil.which("java")
    if java is None:
        return f"Kafka needs Java {OLDEST_JAVA} or newer, and there is none; {INSTALL} default-jre-headless"
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = told.partition('"')[2].partition('"')[0]
    major = version.split(".")[0]
    if not major.isdigit() or int(major) < OLDEST_JAVA:
        found = version or "none"
        return f"Kafka needs Java {OLDEST_JAVA} or newer, and {java} is {found}; {INSTALL} default-jre-headless"
    if not has_jars() and shutil.which("mvn") is None:
        return f"Kafka's jars come through Maven, and there is none; {INSTALL} maven"
    return None


def has_jars() -> bool:
    """Say whether the jars of the pom of now are here."""
    kept = JARS / POM.name
    return kept.is_file() and kept.read_bytes() == POM.read_bytes()


def fetch_jars() -> None:
    """Have Maven bring the jars where they are not here, once however many ask.

    Raises:
        CannotRun: they cannot be had.
    """
    JARS.parent.mkdir(parents=True, exist_ok=True)
    with locked(JARS.parent / "jars.lock"):
        if has_jars():
            return
        if problem := missing():
            raise CannotRun(problem)
        print("nextbuy: Kafka's jars are being fetched (45 MB, once)", file=sys.stderr, flush=True)
        new = JARS.with_name("jars.new")
        shutil.rmtree(new, ignore_errors=True)
        goal = [f"-DoutputDirectory={new}", "-DincludeScope=runtime", "dependency:copy-dependencies"]
        done = subprocess.run(
            ["mvn", "-q", "-B", "-f", POM, *goal],  # noqa: S607  the person's own Maven
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(done.stdout[-2000:] + done.stderr[-2000:], file=sys.stderr)
            raise CannotRun("Maven could not bring Kafka's jars (above); is its repository in reach?")
        shutil.copy(POM, new / POM.name)
        shutil.rmtree(JARS, ignore_errors=True)
        new.rename(JARS)


@contextmanager
def locked(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold a lock between processes; it ends with its holder."""
    with path.open("a") as file:
        fcntl.flock(file, kind)
        yield


class Broker:
    """One node: its data, where it listens, and its process while it runs.

    `settings` are lines of its own, which win; `users` are passwords by name, for SCRAM; `cluster` is the id of the one
    that it belongs to, where that is not its own.
    """

    def __init__(
        self,
        data: Path,
        port: int,
        controller: int,
        *,
        settings: str = "",
        users: Mapping[str, str] = EMPTY,
        cluster: str = "",
    ) -> None:
        self.data = data
        self.port = port
        self.servers = f"{HOST}:{port}"
        self._settings = data / "server.properties"
        self._log = data / "broker.log"
        self._logs = data / "logs"
        self.controller = controller
        self.cluster = cluster or base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
        self._more = settings
        self._users = users
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the node on what it kept, and wait until it answers.

        Raises:
            CannotRun: it does not.
        """
        fetch_jars()
        patience = time.monotonic() + _PORT_TIMEOUT
        while not is_free(self.port) and time.monotonic() < patience:
            time.sleep(0.05)
        if not is_free(self.port):
            raise CannotRun(f"Port {self.port} is taken; choose another: make kafka PORT=9192")
        self.data.mkdir(parents=True, exist_ok=True)
        self._settings.write_text(
            SETTINGS.format(host=HOST, port=self.port, controller=self.controller, logs=self._logs.resolve())
            + self._more.format(host=HOST, port=self.port, controller=self.controller)
        )
        if not (self._logs / "meta.properties").exists():
            self._format()
        with self._log.open("ab") as log:
            # In a session of its own, so that Ctrl-C reaches us alone, and we end it.
            self.process = subprocess.Popen(
                _java("kafka.Kafka", str(self._settings)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait()

    def _format(self) -> None:
        users = [
            word
            for name, password in self._users.items()
            for word in ("--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]")
        ]
        done = subprocess.run(
            _java("kafka.tools.StorageTool", "format", "-t", self.cluster, "-c", str(self._settings), *users),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CannotRun(f"Kafka cannot keep its data in {self._logs}: {done.stderr.strip()[-300:]}")

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while self.process is not None and time.monotonic() < deadline:
            if self.process.poll() is not None:
                end = self._log.read_text(errors="replace")[-600:]
                raise CannotRun(f"Kafka ended at once; {self._log} ends with: {end}")
            with suppress(OSError), socket.create_connection((HOST, self.port), timeout=1):
                return
            time.sleep(0.05)
        self.kill()
        raise CannotRun(f"Kafka did not answer within {START_TIMEOUT:.0f} s; see {self._log}")

    def stop(self) -> None:
        """End it as it likes to be ended, and by force where that takes long."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, as if the power had gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def _java(program: str, *arguments: str) -> list[str]:
    return ["java", *JVM, "-cp", f"{JARS}/*", program, *arguments]


def is_free(port: int) -> bool:
    """Say whether nobody listens on a port."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((HOST, port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """Return ports on which nobody listens, of those that no machine gives out by itself.

    Of the others a client that tries to reach a broker which is away can be given the broker's, and reach itself.
    """
    # Not the generator that tests seed: two runs with one seed would take the same ports.
    some = random.SystemRandom().sample(range(20_000, 32_000), 200)
    return [port for port in some if is_free(port)][:count]


def main() -> int:
    """Run a broker until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Runs a real Apache Kafka, one node, until Ctrl-C.")
    parser.add_argument("--port", type=int, default=9092)
    parser.add_argument("--data", type=Path, default=ROOT / "var" / "kafka")
    parser.add_argument("--fetch", action="store_true", help="bring the jars and nothing else")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    broker = Broker(arguments.data, arguments.port, arguments.port + 1)
    try:
        if problem := missing():
            raise CannotRun(problem)
        fetch_jars()
        if arguments.fetch:
            return 0
        broker.start()
        print(f"Kafka is up on {broker.servers}; Ctrl-C stops it. In another terminal:")
        print(f"  NEXTBUY_KAFKA_SERVERS={broker.servers} make up", flush=True)
        while broker.process is not None and broker.process.poll() is None:
            time.sleep(0.2)
        print(f"nextbuy: Kafka has ended; see {arguments.data}/broker.log", file=sys.stderr)
        return 1
    except CannotRun as error:
        print(f"nextbuy: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopping Kafka.", flush=True)
        return 0
    finally:
        broker.stop()


if __name__ == "__main__":
    sys.exit(main())
