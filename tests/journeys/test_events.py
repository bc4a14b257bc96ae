"""An operator looks after events that could not be applied: by the API, and at the terminal beside a running market."""

import asyncio
import getpass
import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
from redis.asyncio import Redis

from nextbuy.contracts.order import PaymentRefunded
from nextbuy.contracts.values import Money, new_id
from nextbuy.embedded import running
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kit.events.bus.redis import RedisBus
from tests.journeys.marketplace import Lot, Marketplace, PutUp, Topology, environment, nextbuy, putting_up
from tests.journeys.people import Json, Person, Town
from tests.kit.shop import packet
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)
LETTERS = "/kafka/api/dead-letters"


@pytest.fixture(scope="module")
def market(lot: Lot) -> Iterator[Marketplace]:
    """A marketplace for the tests of this file, which leave dead letters in it."""
    with putting_up(lot) as put_up:
        yield put_up(Topology.MANY)


class Said(NamedTuple):
    code: int
    out: str
    err: str


async def events(market: Marketplace, *arguments: str) -> Said:
    """What `nextbuy events …` says."""
    process = await asyncio.create_subprocess_exec(
        *nextbuy("events", *arguments, "--data", str(market.data)),
        env=environment({}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


def refunded() -> PaymentRefunded:
    return PaymentRefunded(session_id=new_id(), buyer_id=new_id(), total=Money(1_000), reason="sold out")


async def poisoned(town: Town, admin: Person, market: Marketplace, bodies: Sequence[bytes]) -> list[Json]:
    """Put bodies that are no events on the bus, and wait for their dead letters."""
    _, redis_url = running(market.data)
    assert redis_url is not None
    before = {letter["id"] for letter in await town.items(LETTERS, admin)}
    async with Redis.from_url(redis_url) as redis:
        bus = RedisBus(redis)
        await bus.publish([BusMessage(PaymentRefunded.topic, "key", body) for body in bodies])
        await bus.close()
    found: list[Json] = []

    async def there() -> bool:
        found[:] = [letter for letter in await town.items(LETTERS, admin) if letter["id"] not in before]
        return len(found) >= len(bodies)

    await until(there, "the dead letters")
    return found


async def mend(market: Marketplace, letter: str) -> None:
    """What a new version that can read it would see."""
    good = packet(refunded()).body
    await market.rows("kafka", "UPDATE dead_letters SET envelope = $1 WHERE id = $2 RETURNING id", good, letter)


async def test_dead_letters_are_listed_replayed_and_discarded_by_an_admin(town: Town, market: Marketplace) -> None:
    admin = await town.admin()
    mark = f"mark-{new_id()}"
    bad = [packet(refunded(), type=mark).body for _ in range(4)]
    letters = await poisoned(town, admin, market, bad)
    of_mine = f"{LETTERS}?event_type={mark}"
    assert len(await town.items(of_mine, admin)) == 4
    assert await town.items(f"{of_mine}&status=replayed", admin) == []
    assert await town.items(f"{of_mine}&since=2999-01-01T00:00:00Z", admin) == []
    assert (await town.ask("GET", f"{of_mine}&since=yesterday", who=admin)).status == 422

    given_up = await town.ask("POST", f"{LETTERS}/{letters[0]['id']}/discard", {"reason": "A test."}, who=admin)
    assert (given_up.status, given_up.said["status"]) == (200, "discarded")
    assert (await town.ask("POST", f"{LETTERS}/{letters[0]['id']}/discard", {"reason": "x"}, who=admin)).status == 409
    assert (await town.ask("POST", f"{LETTERS}/{letters[1]['id']}/discard", {"reason": ""}, who=admin)).status == 422

    await mend(market, letters[1]["id"])
    replay = await town.ask("POST", f"{LETTERS}/replay", {"event_type": mark}, who=admin)
    assert (replay.status, replay.said["total"], replay.said["beyond"]) == (202, 3, 0)

    async def finished() -> bool:
        run = await town.get(f"/kafka/api/replays/{replay.said['id']}", admin)
        return run["finished_at"] is not None and (run["done"], run["failed"]) == (1, 2)

    await until(finished, "the replay has ended")
    assert (await town.get(f"{LETTERS}/{letters[1]['id']}", admin))["status"] == "replayed"
    assert replay.said["id"] in {run["id"] for run in (await town.get("/kafka/api/replays", admin))["items"]}
    misspelt = await town.ask("POST", f"{LETTERS}/replay", {"topics": "x"}, who=admin)
    assert misspelt.status == 422

    done = [entry for entry in await town.items("/kafka/api/audit", admin) if entry["who"] == admin.id][:2]
    assert [(entry["what"], entry["subject"]) for entry in done] == [
        ("replay", "dead-letters"),
        ("discard", letters[0]["id"]),
    ]
    assert done[0]["details"] == {"filter": {"event_type": mark}, "replay_id": replay.said["id"], "total": 3}
    assert done[1]["details"]["reason"] == "A test."
    buyer = await town.buyer()
    for path in (f"{LETTERS}/replay", f"{LETTERS}/{letters[2]['id']}/discard"):
        assert (await town.ask("POST", path, {"reason": "mine"}, who=buyer)).status == 403


async def test_all_of_it_can_be_done_at_the_terminal(town: Town, market: Marketplace) -> None:
    admin = await town.admin()
    mark = f"mark-{new_id()}"
    letters = await poisoned(town, admin, market, [packet(refunded(), type=mark).body for _ in range(4)])
    ids = [letter["id"] for letter in letters]
    listed = await events(market, "dead-letters", "--type", mark, "--limit", "3", "--status", "waiting")
    assert listed.code == 0
    assert sum(letter in listed.out for letter in ids) == 3
    assert "More with --cursor" in listed.out
    shown = json.loads((await events(market, "show", ids[0])).out)
    assert (shown["id"], shown["envelope"]["type"], shown["status"]) == (ids[0], mark, "waiting")

    await mend(market, ids[0])
    one = await events(market, "replay", ids[0])
    assert (one.code, one.out) == (0, f"{ids[0]} is applied.\n")
    again = await events(market, "replay", ids[1])
    assert again.code == 1
    assert "failed again" in again.err
    await mend(market, ids[1])
    some = await events(market, "replay", "--type", mark)
    assert (some.code, some.out.splitlines()[-1]) == (1, "1 applied, 2 failed again.")
    gone = await events(market, "discard", ids[2], "--reason", "Nobody needs it.")
    assert (gone.code, gone.out) == (0, f"{ids[2]} is discarded.\n")
    audit = (await events(market, "audit")).out.splitlines()
    mine = f"terminal:{getpass.getuser()}"
    assert mine in audit[0]
    assert "Nobody needs it." in audit[0]
    assert [mine in line for line in audit[:4]] == [True] * 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", str(new_id())), "There is no such dead letter."),
        (("replay",), "by its ID"),
        (("replay", "--all", "--topic", "x"), "by its ID"),
        (("replay", str(new_id())), "There is no such dead letter."),
        (("discard", str(new_id()), "--reason", " "), "1 to 500 characters"),
        (("dead-letters", "--cursor", "nonsense"), "none of ours"),
        (("dead-letters", "--since", "1200-01-01"), "a year from 1970"),
        (("rebuild", "good-figures"), "There is no projection good-figures; there are best-sellers, daily-figures"),
    ],
)
async def test_what_cannot_be_done_is_said_in_one_sentence(
    market: Marketplace, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = await events(market, *arguments)
    assert (code, out) == (1, "")
    assert said in err
    assert len(err.splitlines()) == 1


async def test_where_nothing_runs_what_is_asked_for_is_done_at_the_next_start(put_up: PutUp) -> None:
    market = put_up()
    async with Town.around(market) as town:
        admin = await town.admin()
        [letter] = await poisoned(town, admin, market, [b"{"])
        await mend(market, letter["id"])
        assert market.stop() == 0
        asked = await events(market, "replay", "--all")
        assert asked.code == 1
        assert "does the kafka service run?" in asked.err
        market.start()
        admin = await town.login(admin.email)

        async def replayed() -> bool:
            return bool((await town.get(f"{LETTERS}/{letter['id']}", admin))["status"] == "replayed")

        await until(replayed, "what was asked for is done")
