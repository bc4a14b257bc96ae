"""Shoppers, in a process of their own: each fills a basket, opens a payment, and the provider says that it was paid.

Two requests for each checkout, over one kept connection for each shopper; the webhook is signed here as the provider
would sign it.
"""

import asyncio
import sys
import time
from random import Random
from typing import Final

import msgspec
import uvloop
from msgspec import Struct

from bench.catalogue import id_of
from bench.http import Connection, request_bytes
from bench.machine import LOAD_CORE, pin
from bench.market import SHOPS
from bench.programs import module_output
from bench.report import percentile
from nextbuy.kit.http.webhook_signature import HEADER, sign

CLIENTS: Final = 16
_SLACK: Final = 30.0
_ADDRESS: Final = {
    "full_name": "Ada Byron",
    "line1": "12 St James's Square",
    "city": "London",
    "postal_code": "SW1Y 4JH",
    "country": "GB",
}


class Job(Struct):
    """What to do: with which logged-in buyers and how many products, signing with what."""

    port: int
    buyers: list[str]
    products: int
    secret: str
    seconds: float
    seed: int
    clients: int = CLIENTS


class Result(Struct, frozen=True):
    """What it came to; `refused` counts checkouts that were not granted, `why` is one of the answers."""

    checkouts: int
    seconds: float
    refused: int
    p50_ms: float
    p99_ms: float
    why: str = ""

    @property
    def per_second(self) -> float:
        """Whole checkouts per second."""
        return self.checkouts / self.seconds


def notice(session_id: str, payment_id: str, amount: int, currency: str) -> bytes:
    """Return what a provider says when a payment was made."""
    return msgspec.json.encode(
        {
            "id": f"evt_{session_id}",
            "type": "checkout.session.completed",
            "data": {
                "object": {
                    "id": payment_id,
                    "client_reference_id": session_id,
                    "amount_total": amount,
                    "currency": currency.lower(),
                    "payment_status": "paid",
                }
            },
        }
    )


async def shop(job: Job) -> Result:
    """Run the shoppers in another process."""
    return msgspec.convert(await module_output("bench.shoppers", job, within=job.seconds + _SLACK), type=Result)


async def _checkout(connection: Connection, job: Job, random: Random, token: str) -> str:
    """Buy something; return what was wrong, or nothing."""
    first = random.randrange(job.products)
    # Of another shop: products are dealt out to shops in turn.
    second = (first + SHOPS * random.randrange(job.products // SHOPS) + random.randrange(1, SHOPS)) % job.products
    lines = [{"product_id": str(id_of(number)), "quantity": random.randint(1, 3)} for number in (first, second)]
    basket = {"lines": lines, "address": _ADDRESS}
    status, made = await connection.ask("POST", "/order/api/create-payment-session", basket, token)
    if status != 201:  # noqa: PLR2004
        return f"create-payment-session: {status} {made}"
    payment_id = made["payment_url"].rstrip("/").rpartition("/")[2]
    body = notice(made["session_id"], payment_id, made["total"]["amount"], made["total"]["currency"])
    signed = {HEADER: sign(body, [job.secret], at=int(time.time()))}
    status, _, said = await connection.exchange(request_bytes("POST", "/order/api/payment-webhook", body, signed))
    return "" if status == 200 else f"payment-webhook: {status} {said.decode(errors='replace')}"  # noqa: PLR2004


async def run(job: Job) -> Result:
    """Shop in this process until the time is over."""
    taken: list[float] = []
    refusals: list[str] = []
    began = time.perf_counter()

    async def shopper(number: int) -> None:
        connection = await Connection.connect(job.port)
        random = Random(job.seed * 1_000 + number)  # noqa: S311  the same baskets each time
        try:
            while (start := time.perf_counter()) < began + job.seconds:
                wrong = await _checkout(connection, job, random, random.choice(job.buyers))
                if wrong:
                    refusals.append(wrong)
                else:
                    taken.append(time.perf_counter() - start)
        finally:
            connection.close()

    await asyncio.gather(*(shopper(number) for number in range(job.clients)))
    seconds = time.perf_counter() - began
    return Result(
        len(taken),
        seconds,
        len(refusals),
        percentile(taken or [0.0], 0.5) * 1000,
        percentile(taken or [0.0], 0.99) * 1000,
        refusals[0][:300] if refusals else "",
    )


async def _main() -> None:
    pin(0, LOAD_CORE)
    result = await run(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))
    sys.stdout.write(msgspec.json.encode(result).decode())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main())
