"""Starting and stopping, as the person at the terminal sees it."""

import socket
import subprocess

import psutil
import pytest

from nextbuy.embedded import running
from tests.journeys.marketplace import (
    ADMIN,
    PASSWORD,
    Lot,
    PutUp,
    Topology,
    environment,
    make_admin,
    nextbuy,
)
from tests.journeys.people import Town

pytestmark = pytest.mark.timeout(120)


def alive(tree: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run."""
    return psutil.wait_procs(tree, 15)[1]


def refusal(*arguments: str, **settings: str) -> str:
    """What is said to somebody for whom it cannot start."""
    done = subprocess.run(
        nextbuy(*arguments),
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done
    assert "Traceback" not in done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("nextbuy: ")
    assert line.endswith((".", ".)"))
    return line


@pytest.mark.parametrize("topology", Topology)
async def test_it_is_stopped_and_killed_and_finds_its_data_each_time(put_up: PutUp, topology: Topology) -> None:
    market = put_up(topology)
    async with Town.around(market) as town:
        buyer = await town.buyer()
        orders = await town.bought(buyer, [(await town.product(), 2)])
    tree = market.tree()
    assert len(tree) > (9 if topology is Topology.MANY else 2)
    assert market.stop() == 0
    assert alive(tree) == []
    assert running(market.data) == (None, None)
    assert "Traceback" not in market.said()
    assert market.said().rstrip().endswith("Stopped.")

    market.start()
    async with Town.around(market) as town:
        buyer = await town.login(buyer.email)
        assert [order["id"] for order in await town.items("/order/api/user-orders", buyer)] == orders
    tree = market.tree()
    market.kill()
    assert alive(tree) == []

    market.start()
    async with Town.around(market) as town:
        assert [order["id"] for order in await town.items("/order/api/user-orders", buyer)] == orders
    # The first alone: the others notice that it is gone, and end by themselves.
    tree = market.tree()
    tree[0].kill()
    assert alive(tree) == []


def test_a_busy_port_is_one_sentence(lot: Lot) -> None:
    data = lot.empty("busy")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refusal("up", "--data", str(data), "--port", str(port))
    assert f"Port {port} on 127.0.0.1 is in use" in said
    assert not data.exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(lot: Lot, free_port: str) -> None:
    file = lot.empty("file")
    file.write_text("this is no folder")
    assert str(file) in refusal("up", "--data", str(file), "--port", free_port)
    assert str(file) in refusal("up", "--data", str(file / "below"), "--port", free_port)


def test_data_of_another_version_is_one_sentence_and_is_not_touched(put_up: PutUp, free_port: str) -> None:
    market = put_up(start=False)
    version = market.data / "postgres" / "PG_VERSION"
    version.write_text("17\n")
    assert "PostgreSQL 17" in refusal("up", "--data", str(market.data), "--port", free_port)
    assert version.read_text() == "17\n"


def test_a_second_one_on_the_same_data_is_one_sentence_and_sigterm_ends_the_first(
    put_up: PutUp, free_port: str
) -> None:
    market = put_up()
    assert "rate limits are off (NEXTBUY_RATE_LIMITS)" in (market.data / "nextbuy.log").read_text()
    assert "already runs on" in refusal("up", "--data", str(market.data), "--port", free_port)
    tree = market.tree()
    tree[0].terminate()
    assert market.process is not None
    assert market.process.wait(30) == 0
    assert alive(tree) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NEXTBUY_PORT", "many"),
        ("NEXTBUY_POSTGRES_URL", "localhost"),
        ("NEXTBUY_SECRET", "short"),
        ("NEXTBUY_SESSION_MINUTES", "0"),
        ("NEXTBUY_POSTGRES_URL", "postgresql://nobody@127.0.0.1:1/none"),
    ],
)
def test_a_setting_that_is_no_good_is_one_sentence(lot: Lot, free_port: str, name: str, value: str) -> None:
    data = lot.empty(f"setting-{free_port}")
    settings = {"NEXTBUY_PORT": free_port, name: value}
    assert name in refusal("up", "--data", str(data), **settings)


def test_serve_without_what_it_needs_is_one_sentence() -> None:
    assert "NEXTBUY_POSTGRES_URL" in refusal("serve", "order")
    urls = {"NEXTBUY_POSTGRES_URL": "postgresql://x@127.0.0.1:1/x", "NEXTBUY_REDIS_URL": "redis://127.0.0.1:1"}
    assert "NEXTBUY_SECRET" in refusal("serve", "order", **urls)
    assert "nonsense" in refusal("serve", "nonsense", **urls, NEXTBUY_SECRET="long enough to be one")


async def test_an_admin_is_made_beside_a_running_marketplace_and_without_one(put_up: PutUp) -> None:
    market = put_up(start=False)
    assert make_admin(market) == f"{ADMIN} is an admin.\n"
    assert running(market.data) == (None, None)
    market.start()
    async with Town.around(market) as town:
        await town.get("/admin/api/notifications", await town.admin())
        assert make_admin(market) == f"{ADMIN} is an admin.\n"
        await town.get("/admin/api/notifications", await town.login(ADMIN))
    said = refusal("create-admin", "nonsense", "--data", str(market.data), NEXTBUY_ADMIN_PASSWORD=PASSWORD)
    assert "mail" in said
    assert market.stop() == 0


async def test_rate_limits_are_on_unless_they_are_lifted(put_up: PutUp) -> None:
    market = put_up(NEXTBUY_RATE_LIMITS="on")
    async with Town.around(market) as town:
        wrong = {"email": "nobody@journeys.nextbuy.test", "password": f"{PASSWORD}?"}
        answers = [await town.ask("POST", "/auth/api/login", wrong) for _ in range(12)]
        refused = [answer for answer in answers if answer.status == 429]
        assert refused
        assert {answer.status for answer in answers} <= {401, 429}
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
        assert {answer.slug for answer in refused} <= {"slow-down", "locked", "too-many-logins"}
        event = {"id": "evt_1", "type": "x.y", "data": {"object": {}}}
        assert {(await town.webhook(event)).status for _ in range(150)} == {200}
        assert (await town.ask("GET", "/health/ready")).status == 200
