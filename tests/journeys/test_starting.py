"""Start and stop, as an operator at the terminal sees them."""

import socket
import subprocess

import psutil
import pytest

from nextbuy.embedded import running_urls
from tests.journeys.journey_client import JourneyClient
from tests.journeys.marketplace import (
    ADMIN,
    PASSWORD,
    TOPOLOGIES,
    MarketplaceFactory,
    StartMarketplace,
    Topology,
    environment,
    make_admin,
    nextbuy,
)

pytestmark = pytest.mark.timeout(300)


def alive(tree: list[psutil.Process]) -> list[psutil.Process]:
    """Return the processes that still run after 15 s."""
    return psutil.wait_procs(tree, 15)[1]


def failure_of(*arguments: str, **settings: str) -> str:
    """Return the one-line error of a command that must fail."""
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


@pytest.mark.parametrize("topology", TOPOLOGIES)
async def test_data_survives_stop_and_kill(start_marketplace: StartMarketplace, topology: Topology) -> None:
    market = start_marketplace(topology)
    async with JourneyClient.connect(market) as client:
        buyer = await client.new_buyer()
        orders = await client.buy(buyer, [(await client.new_product(), 2)])
    tree = market.tree()
    assert len(tree) > (9 if topology is Topology.MANY else 2)
    assert market.stop() == 0
    assert alive(tree) == []
    assert running_urls(market.data) == (None, None)
    assert "Traceback" not in market.output()
    assert market.output().rstrip().endswith("Stopped.")

    market.start()
    async with JourneyClient.connect(market) as client:
        buyer = await client.login(buyer.email)
        assert [order["id"] for order in await client.list_all("/order/api/user-orders", buyer)] == orders
    tree = market.tree()
    market.kill()
    assert alive(tree) == []

    market.start()
    async with JourneyClient.connect(market) as client:
        assert [order["id"] for order in await client.list_all("/order/api/user-orders", buyer)] == orders
    # Only the parent is killed: its children notice and exit.
    tree = market.tree()
    tree[0].kill()
    assert alive(tree) == []


def test_busy_port_fails_with_one_sentence(factory: MarketplaceFactory) -> None:
    data = factory.empty("busy")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        message = failure_of("up", "--data", str(data), "--port", str(port))
    assert f"Port {port} on 127.0.0.1 is in use" in message
    assert not data.exists()


def test_unwritable_folder_fails_with_one_sentence(factory: MarketplaceFactory, free_port: str) -> None:
    file = factory.empty("file")
    file.write_text("a file, not a folder")
    assert str(file) in failure_of("up", "--data", str(file), "--port", free_port)
    assert str(file) in failure_of("up", "--data", str(file / "below"), "--port", free_port)


def test_data_of_other_postgres_version_is_refused_untouched(
    start_marketplace: StartMarketplace, free_port: str
) -> None:
    market = start_marketplace(start=False)
    version = market.data / "postgres" / "PG_VERSION"
    version.write_text("17\n")
    assert "PostgreSQL 17" in failure_of("up", "--data", str(market.data), "--port", free_port)
    assert version.read_text() == "17\n"


def test_second_start_on_same_data_fails_and_sigterm_stops_first(
    start_marketplace: StartMarketplace, free_port: str
) -> None:
    market = start_marketplace()
    assert "rate limits are off (NEXTBUY_RATE_LIMITS)" in (market.data / "nextbuy.log").read_text()
    assert "already runs on" in failure_of("up", "--data", str(market.data), "--port", free_port)
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
        ("NEXTBUY_POSTGRES_URL", "postgresql://nobody@unknown-host.invalid/none"),
    ],
)
def test_invalid_setting_fails_with_one_sentence(
    factory: MarketplaceFactory, free_port: str, name: str, value: str
) -> None:
    data = factory.empty(f"setting-{free_port}")
    settings = {"NEXTBUY_PORT": free_port, name: value}
    assert name in failure_of("up", "--data", str(data), **settings)


def test_serve_without_required_settings_fails_with_one_sentence() -> None:
    assert "NEXTBUY_POSTGRES_URL" in failure_of("serve", "order")
    urls = {"NEXTBUY_POSTGRES_URL": "postgresql://x@127.0.0.1:1/x", "NEXTBUY_REDIS_URL": "redis://127.0.0.1:1"}
    assert "NEXTBUY_SECRET" in failure_of("serve", "order", **urls)
    assert "nonsense" in failure_of("serve", "nonsense", **urls, NEXTBUY_SECRET="long enough to be one")


async def test_admin_is_created_with_and_without_running_marketplace(
    start_marketplace: StartMarketplace,
) -> None:
    market = start_marketplace(start=False)
    assert make_admin(market) == f"{ADMIN} is an admin.\n"
    assert running_urls(market.data) == (None, None)
    market.start()
    async with JourneyClient.connect(market) as client:
        await client.get("/admin/api/notifications", await client.admin())
        assert make_admin(market) == f"{ADMIN} is an admin.\n"
        await client.get("/admin/api/notifications", await client.login(ADMIN))
    message = failure_of("create-admin", "nonsense", "--data", str(market.data), NEXTBUY_ADMIN_PASSWORD=PASSWORD)
    assert "mail" in message
    assert market.stop() == 0


async def test_rate_limits_are_on_by_default(start_marketplace: StartMarketplace) -> None:
    market = start_marketplace(NEXTBUY_RATE_LIMITS="on")
    async with JourneyClient.connect(market) as client:
        wrong = {"email": "nobody@journeys.nextbuy.test", "password": f"{PASSWORD}?"}
        responses = [await client.request("POST", "/auth/api/login", wrong) for _ in range(12)]
        refused = [response for response in responses if response.status == 429]
        assert refused
        assert {response.status for response in responses} <= {401, 429}
        assert all(int(response.headers["Retry-After"]) >= 1 for response in refused)
        assert {response.slug for response in refused} <= {"too-many-requests", "login-locked", "too-many-logins"}
        event = {"id": "evt_1", "type": "x.y", "data": {"object": {}}}
        assert {(await client.webhook(event)).status for _ in range(150)} == {200}
        assert (await client.request("GET", "/health/ready")).status == 200
