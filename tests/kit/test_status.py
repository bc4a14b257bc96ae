"""A service reports its version, its outbox, and the parts of its table of contents, whatever part fails."""

import asyncio
import time

import pytest
from msgspec import Struct

from nextbuy.contracts.errors import Unavailable
from nextbuy.contracts.status import Backlog, ServiceStatus, get_status_of
from nextbuy.kit import status
from nextbuy.kit.rpc.breakers import Breakers
from nextbuy.kit.service import Service
from nextbuy.kit.status import StatusReporter
from nextbuy.kit.storage.cache import SharedCache
from nextbuy.kit.storage.database import Database
from nextbuy.kit.storage.migrations import RELEASE
from tests.conftest import OpenDatabase
from tests.kit.events.sample import Counted, commit

CALL = get_status_of("sample")()


class Deps(Struct, frozen=True):
    """The dependencies of the sample service."""

    letters: int = 3


async def count_letters(deps: Deps) -> dict[str, object]:
    return {"dead_letters": deps.letters}


async def warn(_deps: Deps) -> dict[str, object]:
    return {"problems": ["The mail server does not answer."]}


async def fail(_deps: Deps) -> dict[str, object]:
    raise Unavailable("The bus does not answer.")


async def hang(_deps: Deps) -> dict[str, object]:
    await asyncio.Event().wait()
    return {}


@pytest.fixture
async def database(open_database: OpenDatabase) -> Database:
    """The database of the sample service."""
    return await open_database("")


async def report(database: Database, *parts: object, publishes: bool = False) -> ServiceStatus:
    service = Service(name="sample", deps=Deps, publishes=[Counted] if publishes else [], status=parts)  # type: ignore[arg-type]
    breakers = Breakers("sample", [], time.monotonic)
    return await StatusReporter(service, database, SharedCache(None, ""), breakers).report(Deps(), CALL)


async def test_status_has_the_version_and_all_parts(database: Database) -> None:
    assert await report(database, count_letters) == ServiceStatus(version=RELEASE, dead_letters=3)


async def test_part_may_report_a_problem(database: Database) -> None:
    found = await report(database, warn, count_letters, fail)
    assert found.dead_letters == 3
    assert "The mail server does not answer." in found.problems
    assert len(found.problems) == 2


async def test_publisher_reports_its_outbox(database: Database) -> None:
    assert (await report(database, publishes=True)).outbox == Backlog(0)
    for n in range(3):
        await commit(database, Counted(about=f"key {n}", n=n))
    await database.execute("ALTER TABLE event_log DISABLE TRIGGER event_log_append_only")
    await database.execute("UPDATE event_log SET created_at = now() - interval '90 seconds' WHERE id = 1")
    await database.execute("ALTER TABLE event_log ENABLE TRIGGER event_log_append_only")

    outbox = (await report(database, publishes=True)).outbox

    assert outbox is not None
    assert outbox.waiting == 3
    assert outbox.oldest_s == pytest.approx(90, abs=30)


async def test_service_that_publishes_nothing_has_no_outbox(database: Database) -> None:
    assert (await report(database)).outbox is None


async def test_part_that_fails_is_a_problem_and_the_others_are_complete(database: Database) -> None:
    found = await report(database, fail, count_letters)

    assert found.dead_letters == 3
    assert found.problems == ["fail: unavailable: The bus does not answer."]


async def test_part_that_hangs_ends_in_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "_PART_TIMEOUT", 0.1)
    began = time.monotonic()

    found = await report(database, hang, count_letters)

    assert time.monotonic() - began < 5
    assert found.dead_letters == 3
    assert [problem.partition(":")[0] for problem in found.problems] == ["hang"]
