"""Check the rules of the tree that import-linter cannot express, on the syntax tree of each file.

Every service uses five fixed names: `service`, `deps`, `model`, `store`, `migrations`. Any other file of a service is a
use case, which defines a function of its own name and is imported by `service.py` only, or a policy, which use cases
import. The other rules: libraries, the bus, pure models, long files.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = "nextbuy"
SERVICES = ("auth", "product", "seller", "order", "admin", "notification", "analytics", "kafka", "simulator")
# "Service A -> Kafka -> Kafka Service -> Service B": admins see the dead letters of this service only.
BUS_READER = "kafka"
BUS = "nextbuy.kit.events.bus"
FIXED_NAMES = frozenset({"service", "deps", "model", "store", "migrations", "__init__"})
LONGEST_FILE = 400

# A library that shapes the code around it is imported in few files. A folder ends with "/".
NAMED_ONLY_IN = {
    "aiohttp": ["kit/rpc/transports.py", "host/", "demo/", "simulator/webhook_dispatcher.py"],
    "aiosmtplib": ["notification/mailer.py"],
    "argon2": ["auth/"],
    "asyncpg": ["kit/storage/", "host/"],
    "click": ["cli/"],
    "confluent_kafka": [
        "kit/events/bus/kafka.py",
        "kit/events/bus/kafka_backlog.py",
        "kit/events/bus/kafka_connection.py",
        "kit/events/bus/kafka_marker.py",
        "kit/events/bus/kafka_risks.py",
        "kit/events/bus/kafka_offsets.py",
        "kit/events/bus/kafka_subscription.py",
    ],
    "httptools": ["kit/http/protocol.py"],
    "jinja2": ["web/", "simulator/", "notification/mail_text.py"],
    "joserfc": ["auth/", "kit/http/tokens.py"],
    "psutil": ["embedded/"],
    "redis": [
        "embedded/",
        "kit/events/bus/redis.py",
        "kit/events/bus/redis_backlog.py",
        "kit/events/bus/redis_connection.py",
        "kit/events/bus/redis_failures.py",
        "kit/events/bus/redis_offsets.py",
        "kit/events/bus/redis_risks.py",
        "kit/events/bus/redis_subscription.py",
        "kit/storage/cache_server.py",
        "host/",
    ],
    "rich": ["cli/", "demo/", "host/"],
    "stripe": ["order/"],
    "uvicorn": ["kit/http/protocol.py", "kit/http/server.py"],
    "uvloop": ["host/"],
}

# Modules that wait, or that return something else each time.
IMPURE_MODULES = frozenset({"asyncio", "os", "random", "secrets", "socket", "subprocess", "threading", "time"})
CLOCKS = frozenset({"now", "utcnow", "today"})


class Source:
    """A file of the package and its syntax tree."""

    def __init__(self, package: Path, path: Path) -> None:
        self.path = path
        self.inside = path.relative_to(package)
        parts = self.inside.with_suffix("").parts
        self.module = ".".join((PACKAGE, *parts)).removesuffix(".__init__")
        self.service = parts[0] if len(parts) > 1 and parts[0] in SERVICES else None
        self.tree = ast.parse(path.read_text(), str(path))

    @property
    def name(self) -> str:
        """The name of the file, without `.py`."""
        return self.path.stem

    @property
    def has_its_own_function(self) -> bool:
        """Whether the file defines a top-level function of its own name."""
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        return any(isinstance(node, functions) and node.name == self.name for node in self.tree.body)

    @property
    def is_free(self) -> bool:
        """Whether it is a use case or a policy: a file of a service that has none of the fixed names on its path."""
        return self.service is not None and not FIXED_NAMES & {*self.inside.with_suffix("").parts[1:]}

    def imports(self) -> Iterator[str]:
        """Yield the full name of each import, also inside functions; `from a import b` yields `a` and `a.b`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    parents = self.module.split(".")
                    up = node.level - (self.name == "__init__")
                    base = ".".join([*parents[: len(parents) - up], *([base] if base else [])])
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)


def problems(root: Path) -> list[str]:
    """Return one sentence for each violation in a tree, with its file.

    Args:
        root: the folder that holds `src`, and perhaps `tests` and `tools`.
    """
    package = root / "src" / PACKAGE
    sources = [Source(package, path) for path in sorted(package.rglob("*.py"))]
    found = [*_use_cases(sources), *_libraries(sources), *_bus_readers(sources), *_models(sources), *_long_files(root)]
    return sorted(set(found))


def _use_cases(sources: list[Source]) -> Iterator[str]:
    importers: dict[str, list[Source]] = {}
    for source in sources:
        for module in set(source.imports()) - {source.module}:
            importers.setdefault(module, []).append(source)
    # Without its table of contents, nothing can be checked about a service.
    complete = {source.service for source in sources if source.inside.parts[1:] == ("service.py",)}
    for source in sources:
        if not source.is_free or source.service not in complete:
            continue
        others = [importer for importer in importers.get(source.module, []) if not _may_import(importer, source)]
        if source.has_its_own_function:
            for other in others:
                yield (
                    f"{other.inside}: imports the use case {source.name}; "
                    f"move shared code to model.py, store.py, or a policy"
                )
        elif not others:
            yield (
                f"{source.inside}: defines no function {source.name} and is not imported; "
                f"name the use case after its function, or import the policy from a use case"
            )


def _may_import(importer: Source, used: Source) -> bool:
    # A command of an operator has no route, so that no `service.py` could list it.
    is_host = importer.inside.parts[0] == "host"
    return is_host or (importer.service == used.service and importer.inside.parts[1:] == ("service.py",))


def _libraries(sources: list[Source]) -> Iterator[str]:
    for source in sources:
        for library in {module.partition(".")[0] for module in source.imports()} & NAMED_ONLY_IN.keys():
            places = NAMED_ONLY_IN[library]
            if not any(_is_in(source.inside, place) for place in places):
                yield f"{source.inside}: imports {library}; only {', '.join(places) or 'no file'} may"


def _bus_readers(sources: list[Source]) -> Iterator[str]:
    for source in sources:
        if source.service is None or source.service == BUS_READER:
            continue
        if any(module.startswith(BUS) for module in source.imports()):
            yield f"{source.inside}: uses the bus; only the {BUS_READER} service does: subscribe or publish"


def _is_in(path: Path, place: str) -> bool:
    return str(path).startswith(place) if place.endswith("/") else str(path) == place


def _models(sources: list[Source]) -> Iterator[str]:
    for source in sources:
        if source.service is None or "model" not in source.inside.with_suffix("").parts[1:]:
            continue
        for module in sorted({module.partition(".")[0] for module in source.imports()} & IMPURE_MODULES):
            yield f"{source.inside}: a model is pure, but this one imports {module}"
        for node in ast.walk(source.tree):
            if isinstance(node, (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)):
                yield f"{source.inside}:{node.lineno}: a model is pure, but this one waits"
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
                yield f"{source.inside}:{node.lineno}: a model is pure, but this one reads a clock; pass the time"


def _long_files(root: Path) -> Iterator[str]:
    for path in _python_files(root / folder for folder in ("src", "tests", "tools")):
        lines = len(path.read_text().splitlines())
        if lines > LONGEST_FILE:
            yield f"{path.relative_to(root)}: has {lines} lines, more than {LONGEST_FILE}; split it by subject"


def _python_files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(folder.rglob("*.py"))


def main() -> int:
    """Print the violations of this project; fail if there are any."""
    found = problems(Path(__file__).resolve().parent.parent)
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
