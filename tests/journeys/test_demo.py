"""`nextbuy demo` against a running marketplace."""

import asyncio
import subprocess

from tests.journeys.journey_client import JourneyClient
from tests.journeys.marketplace import ADMIN, PASSWORD, environment, nextbuy


async def test_demo_proves_every_arrow_of_all_five_examples(client: JourneyClient) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        nextbuy("demo", "--url", client.market.url, "--admin-email", ADMIN),
        env=environment({"NEXTBUY_ADMIN_PASSWORD": PASSWORD}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("sequenceDiagram") == 5
    assert "/kafka/api/traces/" not in done.stdout, "the demo's own requests are drawn"
    carrier = "Kafka" if "NEXTBUY_KAFKA_SERVERS" in client.market.settings else "Redis Streams"
    assert done.stdout.count(f"Events travel over {carrier}.") == 3
    assert done.stdout.count("participant Kafka as Kafka (Redis Streams)") == (3 if carrier != "Kafka" else 0)
    assert "Every arrow of the specification's five examples has happened." in done.stdout


async def test_demo_explains_that_account_is_not_an_admin(client: JourneyClient) -> None:
    buyer = await client.new_buyer()
    done = await asyncio.to_thread(
        subprocess.run,
        nextbuy("demo", "--url", client.market.url, "--admin-email", buyer.email),
        env=environment({"NEXTBUY_ADMIN_PASSWORD": PASSWORD}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 1
    assert "is not an admin but a buyer" in " ".join(done.stdout.split())
