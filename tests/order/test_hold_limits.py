"""The limits of unpaid checkouts: units of a product, and checkouts of a network whose buyers have never paid."""

import asyncio
from dataclasses import replace

import msgspec
import pytest

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import Conflict
from nextbuy.contracts.values import Role
from nextbuy.order.cancel_payment_session import cancel_payment_session
from nextbuy.order.create_payment_session import CreatePaymentSession, PaymentSessionCreated, create_payment_session
from nextbuy.order.model import BasketLine
from nextbuy.order.shown_session import PaymentSessionRequest
from tests.callers import account, caller
from tests.order.market import Market

LIMIT = 3


@pytest.fixture
def limited(market: Market) -> Market:
    """A market with rate limits, and with a low limit of open checkouts."""
    settings = msgspec.structs.replace(market.deps.settings, rate_limits=True, open_checkouts=LIMIT)
    market.deps = replace(market.deps, settings=settings)
    return market


async def start(market: Market, who: Account, ip_address: str, units: int = 1) -> PaymentSessionCreated:
    """Check out as a client at an IP address."""
    product = market.product(market.shop(), stock=1_000)
    request = CreatePaymentSession(lines=[BasketLine(product, units)])
    return await create_payment_session(
        market.deps, msgspec.structs.replace(caller(who), ip_address=ip_address), request
    )


async def refused(market: Market, who: Account, ip_address: str) -> bool:
    """Return whether one more checkout is refused because of the limit."""
    try:
        await start(market, who, ip_address)
    except Conflict as error:
        return error.slug == "hold-limit" and f"{LIMIT} unpaid checkouts" in error.detail
    return False


async def test_checkout_has_at_most_ten_units_of_a_product(market: Market) -> None:
    cup, bowl = [market.product(market.shop(), stock=1_000) for _ in range(2)]
    await market.create_payment_session((cup, 10), (bowl, 10))
    for lines in ([(cup, 11)], [(cup, 5), (bowl, 1), (cup, 6)]):
        with pytest.raises(Conflict, match="at most 10 of each product") as error:
            await market.create_payment_session(*lines)
        assert error.value.slug == "hold-limit"
    assert len(market.held) == 1


async def test_network_of_buyers_who_never_paid_has_a_bounded_number_of_open_checkouts(limited: Market) -> None:
    results = await asyncio.gather(
        *(start(limited, account(Role.BUYER), "192.0.2.1") for _ in range(2 * LIMIT)), return_exceptions=True
    )
    assert sum(isinstance(one, PaymentSessionCreated) for one in results) == LIMIT
    assert {getattr(one, "slug", "") for one in results if isinstance(one, Exception)} == {"hold-limit"}
    assert len(limited.held) == LIMIT
    assert not await refused(limited, account(Role.BUYER), "192.0.2.2")


async def test_networks_of_ipv6_count_as_one_client(limited: Market) -> None:
    for host in range(LIMIT):
        await start(limited, account(Role.BUYER), f"2001:db8::{host + 1}")
    assert await refused(limited, account(Role.BUYER), "2001:db8::ffff:1")
    assert not await refused(limited, account(Role.BUYER), "2001:db8:0:1::1")


async def test_replaced_cancelled_and_expired_checkouts_leave_room_for_others(limited: Market) -> None:
    buyers = [account(Role.BUYER) for _ in range(LIMIT)]
    sessions = [await start(limited, buyer, "192.0.2.1") for buyer in buyers]
    assert not await refused(limited, buyers[0], "192.0.2.1")
    assert await refused(limited, account(Role.BUYER), "192.0.2.1")
    await cancel_payment_session(limited.deps, caller(buyers[1]), PaymentSessionRequest(sessions[1].session_id))
    assert not await refused(limited, account(Role.BUYER), "192.0.2.1")
    assert await refused(limited, account(Role.BUYER), "192.0.2.1")
    await limited.advance_clock(minutes=31)
    assert not await refused(limited, account(Role.BUYER), "192.0.2.1")


async def test_buyer_who_has_paid_is_not_limited_and_does_not_count(limited: Market) -> None:
    regulars = [account(Role.BUYER) for _ in range(LIMIT)]
    for regular in regulars:
        await limited.deliver(limited.paid_event(await start(limited, regular, "192.0.2.1")))
        assert not await refused(limited, regular, "192.0.2.1")
    for _ in range(LIMIT):
        assert not await refused(limited, account(Role.BUYER), "192.0.2.1")
    assert await refused(limited, account(Role.BUYER), "192.0.2.1")
    await cancel_open(limited, regulars[0])
    assert not await refused(limited, regulars[0], "192.0.2.1")


async def cancel_open(market: Market, who: Account) -> None:
    """Cancel the open checkout of a buyer."""
    session_id = await market.database.fetchval(
        "SELECT id FROM sessions WHERE buyer_id = $1 AND status = 'open'", who.id
    )
    await cancel_payment_session(market.deps, caller(who), PaymentSessionRequest(session_id))


async def test_rate_limits_off_lifts_the_limit_of_networks(market: Market) -> None:
    settings = msgspec.structs.replace(market.deps.settings, open_checkouts=1)
    market.deps = replace(market.deps, settings=settings)
    for _ in range(3):
        await start(market, account(Role.BUYER), "192.0.2.1")
    assert len(market.held) == 3


async def test_network_is_stored_as_a_keyed_hash(limited: Market) -> None:
    await start(limited, account(Role.BUYER), "192.0.2.1")
    [row] = await limited.database.fetch("SELECT * FROM sessions")
    assert row["network"]
    assert "192.0.2.1" not in str(dict(row))
