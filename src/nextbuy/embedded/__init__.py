"""Real engines with nothing installed: PostgreSQL and Redis, started from their wheels where no URL of a server is set.

Synchronous, for whoever puts a topology together, and for tests. Both engines listen on Unix sockets alone, keep their
data under one folder, stop with the process that started them however it ends, and recover by themselves from whatever
a crash left:

    data/postgres, data/redis                 what is kept
    data/postgres.log, data/redis.log         what the engines say
    data/postgres.password                    the superuser's
    data/postgres.lock, data/redis.lock       held by the marketplace that runs on this data
    data/run                                  the sockets (elsewhere where this path would be too long for one)
"""

from dataclasses import dataclass
from pathlib import Path

from nextbuy.embedded.binaries import pgbench_path, postgres_bin, redis_server
from nextbuy.embedded.errors import EngineError
from nextbuy.embedded.postgres import Postgres, StartingPostgres, launch_postgres, running_postgres, start_postgres
from nextbuy.embedded.redis import Redis, StartingRedis, launch_redis, running_redis, start_redis

__all__ = [
    "EngineError",
    "Engines",
    "Postgres",
    "Redis",
    "StartingPostgres",
    "StartingRedis",
    "launch_postgres",
    "launch_redis",
    "pgbench_path",
    "postgres_bin",
    "redis_server",
    "running",
    "start_engines",
    "start_postgres",
    "start_redis",
]


@dataclass(frozen=True)
class Engines:
    """Both engines, on one data folder."""

    postgres: Postgres
    redis: Redis

    def stop(self) -> None:
        """Stops both in order. A second call does nothing."""
        self.redis.stop()
        self.postgres.stop()


def start_engines(data: Path, *, fast_and_unsafe: bool = False) -> Engines:
    """Starts both engines at once, from the main thread, and waits until they serve.

    Args:
        data: the data folder; made when it is not there.
        fast_and_unsafe: nothing is written through to the disk; for tests.

    Raises:
        EngineError: one of them cannot run here; neither runs then.
    """
    redis = launch_redis(data, fast_and_unsafe=fast_and_unsafe)
    try:
        postgres = launch_postgres(data, fast_and_unsafe=fast_and_unsafe)
        try:
            return Engines(postgres.wait(), redis.wait())
        except BaseException:
            postgres.stop()
            raise
    except BaseException:
        redis.stop()
        raise


def running(data: Path) -> tuple[str | None, str | None]:
    """The engines that a marketplace runs on this data folder, for a command typed beside it.

    Args:
        data: the data folder.

    Returns:
        PostgreSQL's superuser URL and the URL of Redis, each None where that engine does not run.
    """
    return running_postgres(data), running_redis(data)
