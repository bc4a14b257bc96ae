"""Shoppers in another process: each opens a payment session for a basket, and sends the webhook of its payment.

A checkout is two requests over one persistent connection per shopper; the webhook is signed as the provider does it.
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
    """The shoppers: the tokens of buyers, the number of products, and the secret of webhooks."""

    port: int
    buyers: list[str]
    products: int
    secret: str
    seconds: float
    seed: int
    clients: int = CLIENTS


class Result(Struct, frozen=True):
    """The result; `refused` counts failed checkouts, and `why` is the response of one."""

    checkouts: int
    seconds: float
    refused: int
    p50_ms: float
    p99_ms: float
    why: str = ""

    @property
    def per_second(self) -> float:
        """Completed checkouts per second."""
        return self.checkouts / self.seconds


def webhook_body(session_id: str, payment_id: str, amount: int, currency: str) -> bytes:
    """Return the webhook of a completed payment."""
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
    """Run shoppers in another process and return the result."""
    return msgspec.convert(await module_output("bench.shoppers", job, timeout=job.seconds + _SLACK), type=Result)


async def _checkout(connection: Connection, job: Job, random: Random, token: str) -> str:
    """Check out a basket; return an error, or an empty string."""
    first = random.randrange(job.products)
    # A product of another shop, since products are assigned to shops in turn.
    second = (first + SHOPS * random.randrange(job.products // SHOPS) + random.randrange(1, SHOPS)) % job.products
    lines = [{"product_id": str(id_of(number)), "quantity": random.randint(1, 3)} for number in (first, second)]
    basket = {"lines": lines, "address": _ADDRESS}
    status, made = await connection.request("POST", "/order/api/create-payment-session", basket, token)
    if status != 201:  # noqa: PLR2004
        return f"create-payment-session: {status} {made}"
    payment_id = made["payment_url"].rstrip("/").rpartition("/")[2]
    body = webhook_body(made["session_id"], payment_id, made["total"]["amount"], made["total"]["currency"])
    signed = {HEADER: sign(body, [job.secret], at=int(time.time()))}
    status, _, reply = await connection.exchange(request_bytes("POST", "/order/api/payment-webhook", body, signed))
    return "" if status == 200 else f"payment-webhook: {status} {reply.decode(errors='replace')}"  # noqa: PLR2004


async def run(job: Job) -> Result:
    """Run the shoppers in this process for the seconds of the job."""
    taken: list[float] = []
    refusals: list[str] = []
    started = time.perf_counter()

    async def shopper(number: int) -> None:
        connection = await Connection.connect(job.port)
        # Buyers of its own, because a buyer has one open checkout.
        own = job.buyers[number :: job.clients]
        random = Random(job.seed * 1_000 + number)  # noqa: S311  the same baskets each time
        try:
            while (start := time.perf_counter()) < started + job.seconds:
                wrong = await _checkout(connection, job, random, random.choice(own))
                if wrong:
                    refusals.append(wrong)
                else:
                    taken.append(time.perf_counter() - start)
        finally:
            connection.close()

    await asyncio.gather(*(shopper(number) for number in range(job.clients)))
    seconds = time.perf_counter() - started
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
