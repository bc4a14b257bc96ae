"""The ceiling of checkouts: pgbench runs the statements of a checkout in a scratch database of the same server."""

import contextlib
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from bench.catalogue import SQL_ID, Shop, put_in
from bench.market import BUYERS, SHOPS
from bench.programs import ProgramError, output_of
from nextbuy.embedded import pgbench_path

NAME: Final = "bench_checkouts"
_SCHEMAS: Final = {
    "auth": "auth",
    "product": "product",
    "seller": "seller",
    "order": "orders",
    "simulator": "simulator",
}
"""The schema of each service, since a script of pgbench connects to one database only."""
_TPS: Final = re.compile(r"tps = ([\d.]+)")
_FAILED: Final = re.compile(r"number of failed transactions: ([1-9]\d*)")
_NUMBERED: Final = "('00000000-0000-7000-8000-' || lpad(to_hex({}::bigint), 12, '0'))::uuid"
_PEOPLE: Final = f"""
INSERT INTO auth.accounts (id, email, name, role, password_hash, created_at)
SELECT {_NUMBERED.format("n")}, 'buyer' || n || '@bench.test', 'Buyer ' || n, 'buyer', '', now()
  FROM generate_series(1, {BUYERS}) AS n;
INSERT INTO auth.sessions (id, account_id, created_at, expires_at)
SELECT id, id, now(), now() + interval '30 days' FROM auth.accounts;
INSERT INTO product.shops (shop_id, seller_id, name, status, version)
SELECT {_NUMBERED.format("n")}, {_NUMBERED.format("n")}, 'Shop ' || n, 'approved', 2
  FROM generate_series(0, {SHOPS - 1}) AS n;
INSERT INTO seller.shops (id, seller_id, seller_name, seller_email, name, name_key, slug, bio, category, status,
                          version)
SELECT shop_id, seller_id, 'Seller', 'seller@bench.test', name, lower(name), name, 'Sells what words make.', 'Home',
       status, version
  FROM product.shops;
ANALYZE;
"""  # noqa: S608  made of constants
_LINE: Final = (
    '{"product_id": "00000000-0000-7000-8000-000000000001", "shop_id": "00000000-0000-7000-8000-000000000001", '
    '"title": "Sturdy oak lamp by Larkspur", "quantity": 2, "unit_price": {"amount": 2000, "currency": "USD"}, '
    '"seller_id": "00000000-0000-7000-8000-000000000001"}'
)
_ADDRESS: Final = (
    '{"full_name": "Ada Byron", "line1": "12 St James", "city": "London", "postal_code": "SW1Y 4JH", "country": "GB"}'
)


def script() -> str:
    """Return the pgbench script of a checkout."""
    template = (files("bench") / "checkout.sql").read_text(encoding="utf-8")
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    return template.format(
        a=SQL_ID.format("a"),
        b=SQL_ID.format("b"),
        shop_a=_NUMBERED.format(f"(:a % {SHOPS})"),
        shop_b=_NUMBERED.format(f"(:b % {SHOPS})"),
        buyer=_NUMBERED.format(":n"),
        lines=f"[{_LINE}, {_LINE}]",
        address=_ADDRESS,
        traceparent=f"00-{trace}-{span}-01",
        correlation=trace,
        span=span,
    )


@asynccontextmanager
async def scratch(server: str, products: int) -> AsyncIterator[str]:
    """Create the scratch database with the superuser URL of a server, yield its URL, and drop it."""
    admin = await asyncpg.connect(server)
    try:
        await admin.execute(f"DROP DATABASE IF EXISTS {NAME}")
        await admin.execute(f"CREATE DATABASE {NAME}")
        url = urlunsplit(urlsplit(server)._replace(path=f"/{NAME}"))
        await _fill(url, products)
        await admin.execute("CHECKPOINT")
        yield url
    finally:
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await admin.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
            await admin.close()


async def _fill(url: str, products: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        for service, schema in _SCHEMAS.items():
            await connection.execute(f"CREATE SCHEMA {schema}; SET search_path TO {schema}")
            for package in ("nextbuy.kit.migrations", f"nextbuy.{service}.migrations"):
                scripts = (file for file in files(package).iterdir() if file.name.endswith(".sql"))
                for migration in sorted(scripts, key=lambda file: file.name):
                    await connection.execute(migration.read_text(encoding="utf-8"))
        await connection.execute("RESET search_path")
        await connection.execute(_PEOPLE)
        rows = await connection.fetch("SELECT shop_id, seller_id FROM product.shops ORDER BY shop_id")
    finally:
        await connection.close()
    shops = [Shop(row["shop_id"], row["seller_id"]) for row in rows]
    await put_in(f"{url}&search_path=product", shops, products)


async def pgbench(url: str, *, products: int, clients: int, seconds: float) -> float:
    """Return the checkouts per second of pgbench.

    Raises:
        ProgramError: it failed.
    """
    with tempfile.TemporaryDirectory(prefix="nb-pgbench-") as folder:
        path = _written(Path(folder))
        printed = await output_of(
            [
                pgbench_path(),
                "--no-vacuum",
                "--protocol=prepared",
                f"--file={path}",
                f"--client={clients}",
                "--jobs=1",
                f"--time={seconds:g}",
                f"--define=products={products}",
                f"--define=buyers={BUYERS}",
                NAME,
            ],
            environment=_login(url),
            timeout=seconds + 20,
        )
    found = _TPS.search(printed)
    if found is None or _FAILED.search(printed):
        message = f"Unexpected output of pgbench: {printed[-500:]}"
        raise ProgramError(message)
    return float(found[1])


def _written(folder: Path) -> Path:
    path = folder / "checkout.sql"
    path.write_text(script(), encoding="utf-8")
    return path


def _login(url: str) -> dict[str, str]:
    """Return the login in variables of libpq, which other processes cannot read, unlike arguments."""
    parts = urlsplit(url)
    host = next(value for name, _, value in (pair.partition("=") for pair in parts.query.split("&")) if name == "host")
    return {"PGUSER": parts.username or "", "PGPASSWORD": parts.password or "", "PGHOST": unquote(host)}
