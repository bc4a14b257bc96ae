"""The engines: PostgreSQL and Redis as real servers from their wheels, with nothing to install.

A second, small Redis is the shared cache. All listen on Unix sockets only, stop when the process that started them
ends, and recover after a crash. Everything is in one data folder:

    data/postgres, data/redis     the data (data/cache stays empty)
    data/postgres.log …           the log of each server
    data/postgres.lock …          locked by the marketplace that runs on this data, one for each server
    data/postgres.password        the superuser's password
    data/run                      the sockets (in the system's temporary folder if this path is too long)
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from nextbuy.embedded.binaries import pgbench_path, postgres_bin, redis_server
from nextbuy.embedded.errors import EngineError
from nextbuy.embedded.postgres import launch_postgres, running_postgres, start_postgres
from nextbuy.embedded.process import Engine
from nextbuy.embedded.redis import launch_cache, launch_redis, running_redis, start_redis

__all__ = [
    "Engine",
    "EngineError",
    "Engines",
    "launch_cache",
    "launch_postgres",
    "launch_redis",
    "pgbench_path",
    "postgres_bin",
    "redis_server",
    "running_urls",
    "start_engines",
    "start_postgres",
    "start_redis",
]


@dataclass(frozen=True)
class Engines:
    """PostgreSQL and Redis on one data folder."""

    postgres: Engine
    redis: Engine

    def stop(self) -> None:
        """Stop both. A second call does nothing."""
        self.redis.stop()
        self.postgres.stop()


def start_engines(data: Path, *, fast_and_unsafe: bool = False) -> Engines:
    """Start both engines in parallel, from the main thread, and wait until they are ready; see `launch_postgres`."""
    with ExitStack() as stop_on_error:
        redis = launch_redis(data, fast_and_unsafe=fast_and_unsafe)
        stop_on_error.callback(redis.stop)
        postgres = launch_postgres(data, fast_and_unsafe=fast_and_unsafe)
        stop_on_error.callback(postgres.stop)
        engines = Engines(postgres.wait(), redis.wait())
        stop_on_error.pop_all()
    return engines


def running_urls(data: Path) -> tuple[str | None, str | None]:
    """Return the URLs of PostgreSQL (as superuser) and of Redis; None for an engine that does not run on this data."""
    return running_postgres(data), running_redis(data)
