"""Operators handle dead letters by the API and on the command line."""

import asyncio
import getpass
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from redis.asyncio import Redis

from nextbuy.contracts.order import PaymentRefunded
from nextbuy.contracts.values import Money, new_id
from nextbuy.embedded import running_urls
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kit.events.bus.redis import RedisBus
from tests.journeys.journey_client import JourneyClient, Json, Person
from tests.journeys.marketplace import (
    Marketplace,
    MarketplaceFactory,
    StartMarketplace,
    environment,
    marketplace_starter,
    nextbuy,
)
from tests.kit.events.sample import message
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)
LETTERS = "/kafka/api/dead-letters"


@pytest.fixture(scope="module")
def market(factory: MarketplaceFactory) -> Iterator[Marketplace]:
    """A marketplace for this file only; its tests leave dead letters."""
    with marketplace_starter(factory) as start_marketplace:
        yield start_marketplace()


class CommandResult(NamedTuple):
    code: int
    out: str
    err: str


async def events(market: Marketplace, *arguments: str) -> CommandResult:
    """Run `nextbuy events …` on a marketplace and return its result."""
    return await events_in(market.data, *arguments)


async def events_in(data: Path, *arguments: str) -> CommandResult:
    """Run `nextbuy events …` on a data folder and return its result."""
    process = await asyncio.create_subprocess_exec(
        *nextbuy("events", *arguments, "--data", str(data)),
        env=environment({}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return CommandResult(process.returncode, out.decode(), err.decode())


def refunded() -> PaymentRefunded:
    return PaymentRefunded(
        session_id=new_id(), buyer_id=new_id(), payment_id="pay_1", total=Money(1_000), reason="sold-out"
    )


async def publish_undecodable(
    client: JourneyClient, admin: Person, market: Marketplace, bodies: Sequence[bytes]
) -> list[Json]:
    """Publish undecodable bodies and wait for their dead letters."""
    _, redis_url = running_urls(market.data)
    assert redis_url is not None
    before = {letter["id"] for letter in await client.list_all(LETTERS, admin)}
    async with Redis.from_url(redis_url) as redis:
        bus = RedisBus(redis)
        await bus.publish([BusMessage(PaymentRefunded.topic, "key", body, 1) for body in bodies])
        await bus.close()
    found: list[Json] = []

    async def there() -> bool:
        found[:] = [letter for letter in await client.list_all(LETTERS, admin) if letter["id"] not in before]
        return len(found) >= len(bodies)

    await until(there, "the bodies are dead letters")
    return found


async def repair(market: Marketplace, letter: str) -> None:
    """Replace the body of a dead letter by a valid event, as a fixed release would read it."""
    good = message(refunded(), source="order").body
    await market.rows("kafka", "UPDATE dead_letters SET envelope = $1 WHERE id = $2 RETURNING id", good, letter)


async def test_dead_letters_are_listed_replayed_and_discarded_by_an_admin(
    client: JourneyClient, market: Marketplace
) -> None:
    admin = await client.admin()
    mark = f"mark-{new_id()}"
    bad = [message(refunded(), source="order", type=mark).body for _ in range(4)]
    letters = await publish_undecodable(client, admin, market, bad)
    of_mine = f"{LETTERS}?event_type={mark}"
    assert len(await client.list_all(of_mine, admin)) == 4
    assert await client.list_all(f"{of_mine}&status=replayed", admin) == []
    assert await client.list_all(f"{of_mine}&since=2999-01-01T00:00:00Z", admin) == []
    assert (await client.request("GET", f"{of_mine}&since=yesterday", who=admin)).status == 422

    given_up = await client.request("POST", f"{LETTERS}/{letters[0]['id']}/discard", {"reason": "A test."}, who=admin)
    assert (given_up.status, given_up.json["status"]) == (200, "discarded")
    assert (
        await client.request("POST", f"{LETTERS}/{letters[0]['id']}/discard", {"reason": "x"}, who=admin)
    ).status == 409
    assert (
        await client.request("POST", f"{LETTERS}/{letters[1]['id']}/discard", {"reason": ""}, who=admin)
    ).status == 422

    await repair(market, letters[1]["id"])
    replay = await client.request("POST", f"{LETTERS}/replay", {"event_type": mark}, who=admin)
    assert (replay.status, replay.json["total"], replay.json["over_limit"]) == (202, 3, 0)

    async def finished() -> bool:
        run = await client.get(f"/kafka/api/replays/{replay.json['id']}", admin)
        return run["finished_at"] is not None and (run["done"], run["failed"]) == (1, 2)

    await until(finished, "the replay has ended")
    assert (await client.get(f"{LETTERS}/{letters[1]['id']}", admin))["status"] == "replayed"
    assert replay.json["id"] in {run["id"] for run in (await client.get("/kafka/api/replays", admin))["items"]}
    misspelt = await client.request("POST", f"{LETTERS}/replay", {"topics": "x"}, who=admin)
    assert misspelt.status == 422

    done = [entry for entry in await client.list_all("/kafka/api/audit", admin) if entry["actor"] == admin.id][:2]
    assert [(entry["action"], entry["subject"]) for entry in done] == [
        ("replay", "dead-letters"),
        ("discard", letters[0]["id"]),
    ]
    assert done[0]["details"] == {"filter": {"event_type": mark}, "replay_id": replay.json["id"], "total": 3}
    assert done[1]["details"]["reason"] == "A test."
    buyer = await client.new_buyer()
    for path in (f"{LETTERS}/replay", f"{LETTERS}/{letters[2]['id']}/discard"):
        assert (await client.request("POST", path, {"reason": "mine"}, who=buyer)).status == 403


async def test_dead_letters_are_handled_on_command_line(client: JourneyClient, market: Marketplace) -> None:
    admin = await client.admin()
    mark = f"mark-{new_id()}"
    letters = await publish_undecodable(
        client, admin, market, [message(refunded(), source="order", type=mark).body for _ in range(4)]
    )
    ids = [letter["id"] for letter in letters]
    listed = await events(market, "dead-letters", "--type", mark, "--limit", "3", "--status", "waiting")
    assert listed.code == 0
    assert sum(letter in listed.out for letter in ids) == 3
    assert "Next page: --cursor" in listed.out
    shown = json.loads((await events(market, "show", ids[0])).out)
    assert (shown["id"], shown["envelope"]["type"], shown["status"]) == (ids[0], mark, "waiting")

    await repair(market, ids[0])
    one = await events(market, "replay", ids[0])
    assert (one.code, one.out) == (0, f"Replayed dead letter {ids[0]}.\n")
    again = await events(market, "replay", ids[1])
    assert again.code == 1
    assert "failed again" in again.err
    await repair(market, ids[1])
    some = await events(market, "replay", "--type", mark)
    assert (some.code, some.out.splitlines()[-1]) == (1, "1 replayed, 2 failed again.")
    gone = await events(market, "discard", ids[2], "--reason", "Not needed.")
    assert (gone.code, gone.out) == (0, f"Discarded dead letter {ids[2]}.\n")
    audit = (await events(market, "audit")).out.splitlines()
    mine = f"terminal:{getpass.getuser()}"
    assert mine in audit[0]
    assert "Not needed." in audit[0]
    assert [mine in line for line in audit[:4]] == [True] * 4


async def test_order_is_delivered_again_on_command_line_and_notified_once(
    client: JourneyClient, market: Marketplace
) -> None:
    buyer, product = await client.new_buyer(), await client.new_product()
    [order_id] = await client.buy(buyer, [(product, 1)])
    notified = "SELECT source_event_id FROM notifications WHERE kind = 'order-created' AND link LIKE '%' || $1"

    async def is_notified() -> bool:
        return len(await market.rows("admin", notified, order_id)) == 1

    await until(is_notified, "admins are notified")
    [row] = await market.rows("admin", notified, order_id)
    event_id = str(row["source_event_id"])
    await market.rows("admin", "DELETE FROM notifications WHERE source_event_id = $1", event_id)
    await market.rows("admin", "DELETE FROM inbox WHERE event_id = $1", event_id)

    first = await events(market, "resend", "--topic", "order.created", "--key", order_id, "--destination", "admin")
    second = await events(market, "resend", event_id)

    assert (first.code, first.out.splitlines()[-1]) == (0, "1 events delivered.")
    assert (second.code, second.out.splitlines()[-1]) == (0, "1 events delivered.")
    assert await is_notified()
    nothing = await events(market, "resend", "--topic", "order.created", "--until", "2000-01-01")
    assert (nothing.code, nothing.out.splitlines()[-1]) == (0, "No events match.")
    assert "resend" in (await events(market, "audit")).out.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("show", str(new_id())), "Dead letter not found."),
        (("replay",), "by ID"),
        (("resend",), "Choose events by ID"),
        (("resend", str(new_id()), "--key", "x"), "An event ID selects one event"),
        (("replay", "--all", "--topic", "x"), "by ID"),
        (("replay", str(new_id())), "Dead letter not found."),
        (("discard", str(new_id()), "--reason", " "), "1 to 500 characters"),
        (("dead-letters", "--cursor", "nonsense"), "Invalid cursor"),
        (("dead-letters", "--since", "1200-01-01"), "a year from 1970"),
        (("rebuild", "good-figures"), "Projection not found: good-figures. Choose one of best-sellers, daily-figures"),
    ],
)
async def test_impossible_command_fails_with_one_sentence(
    market: Marketplace, arguments: tuple[str, ...], expected: str
) -> None:
    code, out, err = await events(market, *arguments)
    assert (code, out) == (1, "")
    assert expected in err
    assert len(err.splitlines()) == 1


def test_folder_without_a_marketplace_is_refused_and_stays_empty(tmp_path: Path) -> None:
    code, out, err = asyncio.run(events_in(tmp_path, "dead-letters"))

    assert (code, out, err) == (1, "", f"nextbuy: No marketplace in {tmp_path}. Name its data folder with --data.\n")
    assert list(tmp_path.iterdir()) == []


async def test_replay_requested_while_stopped_runs_at_next_start(
    start_marketplace: StartMarketplace,
) -> None:
    market = start_marketplace()
    async with JourneyClient.connect(market) as client:
        admin = await client.admin()
        [letter] = await publish_undecodable(client, admin, market, [b"{"])
        await repair(market, letter["id"])
        assert market.stop() == 0
        asked = await events(market, "replay", "--all", "--timeout", "1")
        assert asked.code == 1
        assert "Is the kafka service running?" in asked.err
        market.start()
        admin = await client.login(admin.email)

        async def replayed() -> bool:
            return bool((await client.get(f"{LETTERS}/{letter['id']}", admin))["status"] == "replayed")

        await until(replayed, "the requested replay is done")
