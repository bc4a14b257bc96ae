"""`nextbuy demo` against the running marketplace, as a person types it."""

import asyncio
import subprocess

from tests.journeys.marketplace import ADMIN, PASSWORD, environment, nextbuy
from tests.journeys.people import Town


async def test_the_demo_proves_every_arrow_of_both_examples(town: Town) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        nextbuy("demo", "--url", town.market.url, "--admin-email", ADMIN),
        env=environment({"NEXTBUY_ADMIN_PASSWORD": PASSWORD}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("sequenceDiagram") == 2
    assert "Every arrow of the specification's two examples has happened." in done.stdout


async def test_the_demo_says_what_is_wrong_where_nobody_is_an_admin(town: Town) -> None:
    buyer = await town.buyer()
    done = await asyncio.to_thread(
        subprocess.run,
        nextbuy("demo", "--url", town.market.url, "--admin-email", buyer.email),
        env=environment({"NEXTBUY_ADMIN_PASSWORD": PASSWORD}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 1
    assert "is no admin but a buyer" in " ".join(done.stdout.split())
