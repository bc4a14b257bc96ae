"""The composition of a process: the background tasks beside a service, and the engines that start."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nextbuy.contracts.seller import SellerRegistered
from nextbuy.embedded import EngineError
from nextbuy.host import composition
from nextbuy.kit.config import Settings
from nextbuy.kit.service import Service, Task, job


async def _act(*_arguments: object) -> None: ...


def task_names(service: Service) -> list[str]:
    none: Any = None
    database: Any = SimpleNamespace(service=service.name)
    return [task.name for task in composition.service_tasks(service, none, database, none, none, none)]


def test_every_service_purges_its_inbox_and_idempotency_keys() -> None:
    assert task_names(Service(name="quiet", deps=object)) == ["quiet.purge-idempotency-keys", "quiet.purge-inbox"]


def test_jobs_relay_and_tasks_run_for_a_service_that_declares_them() -> None:
    service = Service(
        name="busy",
        deps=object,
        publishes=[SellerRegistered],
        jobs=[job("sweep", _act, every=1.0)],
        tasks=[Task("listen", _act)],
    )

    assert task_names(service) == [
        "busy.sweep",
        "busy.purge-idempotency-keys",
        "busy.purge-inbox",
        "busy.relay",
        "busy.listen",
    ]


def test_background_tasks_have_explicit_and_unique_names() -> None:
    names = [name for hosted in composition.SERVICES.values() for name in task_names(hosted.service)]

    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+\.[a-z]+(-[a-z]+)*", name)] == []


@dataclass
class FakeEngine:
    url: str
    error: EngineError | None = None
    calls: list[str] = field(default_factory=list)

    def launch(self, _data: Path) -> "FakeEngine":
        self.calls.append("launch")
        return self

    def wait(self) -> "FakeEngine":
        if self.error:
            raise self.error
        return self

    def stop(self) -> None:
        self.calls.append("stop")


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeEngine]:
    fakes = {
        "postgres_url": FakeEngine("postgresql://embedded"),
        "redis_url": FakeEngine("redis://embedded"),
        "cache_url": FakeEngine("redis://cache"),
    }
    monkeypatch.setattr(composition, "_ENGINES", {name: fake.launch for name, fake in fakes.items()})
    return fakes


def test_engines_without_a_url_run_until_the_end(engines: dict[str, FakeEngine]) -> None:
    with composition.running_engines(Settings(secret=b"")) as settings:
        assert {name: getattr(settings, name) for name in engines} == {name: fake.url for name, fake in engines.items()}
        assert [fake.calls for fake in engines.values()] == [["launch"]] * 3

    assert [fake.calls for fake in engines.values()] == [["launch", "stop"]] * 3


def test_engine_with_a_url_does_not_start(engines: dict[str, FakeEngine]) -> None:
    with composition.running_engines(Settings(secret=b"", redis_url="redis://theirs")) as settings:
        assert (settings.postgres_url, settings.redis_url) == ("postgresql://embedded", "redis://theirs")

    assert engines["redis_url"].calls == []


@pytest.mark.parametrize("cache_url", ["", "redis://their-cache"])
def test_cache_of_a_foreign_redis_is_never_embedded(engines: dict[str, FakeEngine], cache_url: str) -> None:
    theirs = Settings(secret=b"", redis_url="redis://theirs", cache_url=cache_url)

    with composition.running_engines(theirs) as settings:
        assert settings.cache_url == cache_url

    assert engines["cache_url"].calls == []


def test_failed_engine_stops_the_other(engines: dict[str, FakeEngine]) -> None:
    engines["redis_url"].error = EngineError("Redis did not start.")

    with pytest.raises(EngineError), composition.running_engines(Settings(secret=b"")):
        pass

    assert engines["postgres_url"].calls == ["launch", "stop"]
