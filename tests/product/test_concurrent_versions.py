"""Random sellers, buyers and admins at once, in two processes: with If-Match, no update is lost."""

import asyncio
from dataclasses import dataclass, field
from random import Random

import pytest

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import AppError
from nextbuy.contracts.product import DecideProduct, Product, PublicProduct, ReleaseStock
from nextbuy.contracts.product_version import ProductVersion, versions_of
from nextbuy.contracts.values import new_id
from nextbuy.product.decide_product import decide_product
from nextbuy.product.poll_changes import poll_changes
from nextbuy.product.release_stock import release_stock
from tests.product.service_harness import ServiceHarness
from tests.product.test_lost_updates import change

STOCK = 1_000
STEPS = 12
ACTORS = 3
"""Of each kind."""


def version(product: PublicProduct) -> ProductVersion:
    [found] = versions_of([product.etag]) or []
    return found


@dataclass
class Run:
    """One product, the processes that change it, and the changes that succeeded."""

    processes: list[ServiceHarness]
    seller: Account
    product: Product
    random: Random
    words: dict[int, str] = field(default_factory=dict)
    """The words that sellers have added to the description, by the content version that has them first."""
    added: int = 0
    """The units that sellers have added to the stock."""
    steps: list[tuple[ProductVersion, ProductVersion]] = field(default_factory=list)
    """The version that was read, and the one that was made of it, for each change of the content."""
    refusals: list[str] = field(default_factory=list)

    async def read(self) -> tuple[ServiceHarness, PublicProduct]:
        """Read the product as its seller or from the cache of a process, and wait for a moment."""
        process = self.random.choice(self.processes)
        try:
            seen = await process.get_product(self.product.id, self.random.choice([None, self.seller]))
        except AppError:
            seen = await process.get_product(self.product.id, self.seller)
        await asyncio.sleep(self.random.random() / 200)
        return process, seen

    async def sell(self, number: int) -> None:
        """Add a word to the description, or units to the stock, each computed from what was read."""
        process, seen = await self.read()
        units = self.random.randrange(1, 5)
        word = f"word{number}x{self.random.randrange(10**9)}"
        match self.random.choice(["words", "set", "difference", "both"]):
            case "set":
                await change(process, self.seller, seen, seen.etag, stock=seen.stock + units)
                self.added += units
            case "difference":
                await change(process, self.seller, seen, seen.etag, stock_change=units)
                self.added += units
            case "words":
                after = await change(process, self.seller, seen, seen.etag, description=f"{seen.description} {word}")
                self.words[version(after).content] = word
                self.steps.append((version(seen), version(after)))
            case "both":
                text = f"{seen.description} {word}"
                after = await change(process, self.seller, seen, seen.etag, description=text, stock=seen.stock + units)
                self.words[version(after).content] = word
                self.added += units
                self.steps.append((version(seen), version(after)))

    async def buy(self, _number: int) -> None:
        """Hold units, and release some of them."""
        process = self.random.choice(self.processes)
        session = await process.hold((self.product, self.random.randrange(1, 4)))
        await asyncio.sleep(self.random.random() / 200)
        if self.random.random() < 0.5:
            await release_stock(process.deps, ReleaseStock(session_id=session))

    async def decide(self, _number: int) -> None:
        """Decide about the product that was read."""
        process, seen = await self.read()
        decided = await decide_product(
            process.deps,
            DecideProduct(
                product_id=seen.id,
                decision="rejected" if self.random.random() < 0.3 else "active",
                reason="",
                by=new_id(),
                seen=versions_of([seen.etag]),
            ),
        )
        assert decided.description == seen.description
        if decided.status != seen.status:
            self.steps.append((version(seen), version(decided)))

    async def act(self, kind: str, number: int) -> None:
        """Act several times as one person."""
        for _ in range(STEPS):
            try:
                await {"sell": self.sell, "buy": self.buy, "decide": self.decide}[kind](number)
            except AppError as error:
                self.refusals.append(error.slug)


@pytest.mark.parametrize("seed", range(4))
async def test_no_update_is_lost(service: ServiceHarness, seed: int) -> None:
    seller = await service.seller()
    other = ServiceHarness(service.database, journal=service.deps.journal)
    other.shops = service.shops
    first = await service.create_product(seller, description="A kettle of copper for tea.", stock=STOCK)
    run = Run([service, other], seller, first, Random(seed))  # noqa: S311
    for process in run.processes:
        await poll_changes(process.deps)

    await asyncio.gather(*(run.act(kind, n) for kind in ("sell", "buy", "decide") for n in range(ACTORS)))

    last = await service.get_product(first.id, seller)
    assert last.description.split()[6:] == [run.words[content] for content in sorted(run.words)]
    stock, held, sold = await service.stock_levels(first)
    assert stock + held + sold == STOCK + run.added
    assert [before.content + 1 for before, _ in run.steps] == [after.content for _, after in run.steps]
    assert sorted(after.content for _, after in run.steps) == list(range(2, version(last).content + 1))
    assert set(run.refusals) <= {"stale", "already-decided", "product-not-found"}
    assert "stale" in run.refusals
    assert run.steps
