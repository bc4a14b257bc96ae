"""Run an Apache Kafka of one node, on a machine with Java and without containers: `tools/kafka.py --port 9092`.

With a command (`tools/kafka.py -- make up`) it runs beside that command, which finds it in `NEXTBUY_KAFKA_SERVERS`.

Maven downloads the jars of `deploy/kafka/pom.xml` once, into `var/kafka`. One process is broker and controller (KRaft).
It runs in the foreground until Ctrl-C, or until the command ends; its data survives.
"""

import argparse
import base64
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

ROOT = Path(__file__).resolve().parent.parent
POM = ROOT / "deploy" / "kafka" / "pom.xml"
JARS = ROOT / "var" / "kafka" / "jars"
CLASSES = JARS / "classes.jsa"
"""The classes of a broker as Java has loaded them (class data sharing), which halves the time of later starts."""
PARENT_WATCH = ROOT / "src" / "nextbuy" / "embedded" / "parent_watch.py"
HOST = "127.0.0.1"
OLDEST_JAVA = 17
INSTALL = "On Debian or Ubuntu: sudo apt-get install"
START_TIMEOUT = 120.0
_PORT_TIMEOUT = 3.0
"""Seconds until the port of a broker that was just killed must be free."""
# Small and quick to start, at the cost of throughput: it serves one machine.
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
# A killed node can rejoin once its previous session has expired.
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=250
# The first member of a group does not wait for others.
group.initial.rebalance.delay.ms=0
# Consumers of the classic protocol may choose short session timeouts.
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=2097152
"""


class CannotRun(Exception):
    """Kafka cannot run here; the message says why and what to do."""


def missing() -> str | None:
    """Return a sentence about what this machine lacks to run Kafka, or None."""
    java = shutil.which("java")
    if java is None:
        return f"Java not found; Kafka needs {OLDEST_JAVA} or newer. {INSTALL} default-jre-headless"
    output = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = output.partition('"')[2].partition('"')[0]
    major = version.split(".")[0]
    if not major.isdigit() or int(major) < OLDEST_JAVA:
        return f"{java} is too old ({version}); Kafka needs {OLDEST_JAVA} or newer. {INSTALL} default-jre-headless"
    if not has_jars() and shutil.which("mvn") is None:
        return f"Maven not found; it downloads the jars of Kafka. {INSTALL} maven"
    return None


def has_jars() -> bool:
    """Return whether the jars of the current `pom.xml` have been downloaded."""
    copy = JARS / POM.name
    return copy.is_file() and copy.read_bytes() == POM.read_bytes()


def fetch_jars() -> None:
    """Download the jars with Maven unless they exist; concurrent callers wait for one download.

    Raises:
        CannotRun: the download failed.
    """
    if has_jars():
        return
    JARS.parent.mkdir(parents=True, exist_ok=True)
    with locked(JARS.parent / "jars.lock"):
        if has_jars():
            return
        if problem := missing():
            raise CannotRun(problem)
        print("nextbuy: downloading the jars of Kafka (45 MB, once)", file=sys.stderr, flush=True)
        new = JARS.with_name("jars.new")
        shutil.rmtree(new, ignore_errors=True)
        goal = [f"-DoutputDirectory={new}", "-DincludeScope=runtime", "dependency:copy-dependencies"]
        done = subprocess.run(
            ["mvn", "-q", "-B", "-f", POM, *goal],  # noqa: S607  Maven of the PATH
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(done.stdout[-2000:] + done.stderr[-2000:], file=sys.stderr)
            raise CannotRun("Downloading the jars of Kafka failed (above). Is the Maven repository reachable?")
        shutil.copy(POM, new / POM.name)
        shutil.rmtree(JARS, ignore_errors=True)
        new.rename(JARS)
        _store_classes()


def _store_classes() -> None:
    """Run a node once, to store its classes."""
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / CLASSES.name
        broker = Broker(Path(folder), *free_ports(2))
        broker.start(f"-XX:ArchiveClassesAtExit={new}")
        broker.stop()
        if new.exists():
            shutil.move(new, CLASSES)


@contextmanager
def locked(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold a lock between processes; the system releases it if its holder dies."""
    with path.open("a") as file:
        fcntl.flock(file, kind)
        yield


class Broker:
    """A node: its data folder, its ports, and its process while it runs.

    `settings` are lines that override the defaults; `users` are the passwords of SCRAM users by name; `cluster` is the
    id of the cluster to join instead of a new one. `prefix` are arguments before the command of the node.
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
        self.prefix: Sequence[str] = ()
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

    def start(self, *options: str) -> None:
        """Start the node on its data, with more options of Java, and wait until it answers.

        Raises:
            CannotRun: the port is in use, or the node does not start.
        """
        fetch_jars()
        deadline = time.monotonic() + _PORT_TIMEOUT
        while not is_free(self.port) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not is_free(self.port):
            other = "make kafka PORT=9192, or make up KAFKA=1 KAFKA_PORT=9192"
            raise CannotRun(f"Port {self.port} is in use. Choose another: {other}")
        self.data.mkdir(parents=True, exist_ok=True)
        self._settings.write_text(
            SETTINGS.format(host=HOST, port=self.port, controller=self.controller, logs=self._logs.resolve())
            + self._more.format(host=HOST, port=self.port, controller=self.controller)
        )
        if not (self._logs / "meta.properties").exists():
            self._format()
        with self._log.open("ab") as log:
            # In its own session, so that Ctrl-C reaches only this process, which then stops it.
            self.process = subprocess.Popen(
                [*self.prefix, *_java(*options, "kafka.Kafka", str(self._settings))],
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
            _java(
                "kafka.tools.StorageTool", "format", f"--cluster-id={self.cluster}", "-c", str(self._settings), *users
            ),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CannotRun(f"Kafka cannot store its data in {self._logs}: {done.stderr.strip()[-300:]}")

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while self.process is not None and time.monotonic() < deadline:
            if self.process.poll() is not None:
                end = self._log.read_text(errors="replace")[-600:]
                raise CannotRun(f"Kafka exited while starting. End of {self._log}: {end}")
            with suppress(OSError), socket.create_connection((HOST, self.port), timeout=1):
                return
            time.sleep(0.05)
        self.kill()
        raise CannotRun(f"Kafka did not answer within {START_TIMEOUT:.0f} s. See {self._log}.")

    def stop(self) -> None:
        """Stop the node with SIGTERM, and kill it if that takes too long."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill the node with SIGKILL, like a power failure."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def _java(*arguments: str) -> list[str]:
    shared = [f"-XX:SharedArchiveFile={CLASSES}"] if CLASSES.exists() else []
    return [shutil.which("java") or "java", *JVM, *shared, "-cp", f"{JARS}/*", *arguments]


def is_free(port: int) -> bool:
    """Return whether a port is free."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """Return free ports outside the range that systems assign to clients.

    Inside it, a client that retries a stopped broker may be assigned the broker's own port and connect to itself.
    """
    # Not the generator that tests seed: two runs with one seed would take the same ports.
    candidates = random.SystemRandom().sample(range(20_000, 32_000), 200)
    return [port for port in candidates if is_free(port)][:count]


def run_beside(broker: Broker, command: Sequence[str]) -> int:
    """Run a command that uses the broker, pass SIGINT and SIGTERM on to it, and return its exit code."""
    child = subprocess.Popen(command, env=os.environ | {"NEXTBUY_KAFKA_SERVERS": broker.servers})
    for number in (signal.SIGINT, signal.SIGTERM):
        # On Ctrl-C the terminal sends SIGINT to the command too, which stops once.
        signal.signal(number, lambda *_: child.terminate())
    while child.poll() is None:
        time.sleep(0.1)
        if broker.process is not None and broker.process.poll() is not None:
            print(f"nextbuy: Kafka exited; events wait. See {broker.data}/broker.log.", file=sys.stderr)
            broker.process = None
    return child.returncode


def main() -> int:
    """Run a broker until Ctrl-C, or beside a command."""
    parser = argparse.ArgumentParser(description="Run an Apache Kafka of one node until Ctrl-C, or beside a command.")
    parser.add_argument("--port", type=int, default=9092)
    parser.add_argument("--data", type=Path, default=ROOT / "var" / "kafka")
    parser.add_argument("--fetch", action="store_true", help="download the jars and exit")
    parser.add_argument("command", nargs="*", help="a command to run beside it")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # It stops when this process ends for any reason.
    watch = [sys.executable, "-I", "-S", str(PARENT_WATCH), str(os.getpid()), str(int(signal.SIGTERM)), "-", "-"]
    broker = Broker(arguments.data, arguments.port, arguments.port + 1)
    broker.prefix = watch
    try:
        if problem := missing():
            raise CannotRun(problem)
        fetch_jars()
        if arguments.fetch:
            return 0
        broker.start()
        if arguments.command:
            return run_beside(broker, arguments.command)
        print(f"Kafka is up on {broker.servers}; Ctrl-C stops it. In another terminal:")
        print(f"  NEXTBUY_KAFKA_SERVERS={broker.servers} make up", flush=True)
        while broker.process is not None and broker.process.poll() is None:
            time.sleep(0.2)
        print(f"nextbuy: Kafka exited. See {arguments.data}/broker.log.", file=sys.stderr)
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
