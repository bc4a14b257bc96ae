import asyncpg

from bench.scratch import pgbench, scratch
from nextbuy.embedded import Engines


async def test_script_of_checkout_fits_current_tables(engines: Engines) -> None:
    async with scratch(engines.postgres.url, 500) as url:
        assert await pgbench(url, products=500, clients=2, seconds=1) > 0
        connection = await asyncpg.connect(url)
        count = connection.fetchval
        sessions = await count("SELECT count(*) FROM orders.sessions WHERE status = 'paid'")
        assert sessions > 0
        assert await count("SELECT count(*) FROM orders.sessions") == sessions
        assert await count("SELECT count(*) FROM orders.orders") == 2 * sessions
        assert await count("SELECT count(*) FROM orders.event_log") == 8 * sessions
        assert await count("SELECT count(*) FROM simulator.payments") == sessions
        assert await count("SELECT sum(held) FROM product.products") == 0
        sold = await count("SELECT sum(sold) FROM product.products")
        assert sold == await count("SELECT sum(quantity) FROM orders.order_lines")
        await connection.close()
