"""Lost updates: If-Match on a change, with versions of the content and of the stock; and relative changes of stock."""

import asyncio

import pytest
from msgspec import convert

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import AppError, BadRequest, Conflict, PreconditionFailed, Unprocessable
from nextbuy.contracts.product import Line, Product, PublicProduct, ReleaseStock, UpdateStock
from nextbuy.product.release_stock import release_stock
from nextbuy.product.update_product import UpdateProduct, update_product
from nextbuy.product.update_stock import update_stock
from tests.callers import caller
from tests.outbox import data, published
from tests.product.service_harness import ServiceHarness, shown
from tests.waiting import all_wait_for_a_lock, until


async def change(
    service: ServiceHarness, who: Account, product: PublicProduct, if_match: str | None = None, **fields: object
) -> Product:
    request = convert({"product_id": product.id, **fields}, UpdateProduct)
    return (await update_product(service.deps, caller(who, if_match=if_match), request)).product


def changed_fields(error: AppError) -> list[str]:
    return [one.field for one in error.errors or []]


async def test_stock_that_was_read_before_a_sale_is_not_restored(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller, stock=10)
    await service.hold((kettle, 3))

    with pytest.raises(PreconditionFailed) as error:
        await change(service, seller, kettle, kettle.etag, title="Copper kettle, large", stock=10)

    assert (error.value.slug, error.value.status) == ("stale", 412)
    assert [(one.field, one.message) for one in error.value.errors or []] == [
        ("stock", "Units were sold or reserved since. In stock now: 7.")
    ]
    assert await service.stock_levels(kettle) == (7, 3, 0)
    assert (await service.get_product(kettle.id)).title == "Copper kettle"


async def test_product_that_sells_can_be_retitled(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller, stock=10)
    await service.hold((kettle, 3))

    changed = await change(service, seller, kettle, kettle.etag, title="Copper kettle, large")

    assert (changed.title, changed.stock) == ("Copper kettle, large", 7)


async def test_stale_content_names_the_fields_that_changed_since(service: ServiceHarness) -> None:
    seller = await service.seller()
    first = await service.create_product(seller)
    second = await change(service, seller, first, title="Copper kettle, large")
    await change(service, seller, first, price={"amount": 2_600}, tags=["tea", "copper"])

    messages = {
        "title": "The title is now “Copper kettle, large”.",
        "price": "The price is now $26.00.",
        "tags": "The tags are now: tea, copper.",
    }
    for seen, names in ((first, ["title", "price", "tags"]), (second, ["price", "tags"])):
        with pytest.raises(PreconditionFailed) as error:
            await change(service, seller, first, seen.etag, description="Another text for the home.")
        named = {one.field: one.message for one in error.value.errors or []}
        assert list(named.items()) == [(name, messages[name]) for name in names]

    assert (await service.get_product(first.id)).description == first.description


async def test_status_that_moderation_changed_is_named(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    await change(service, seller, kettle, title="Stolen kettle")

    with pytest.raises(PreconditionFailed) as error:
        await change(service, seller, kettle, kettle.etag, title="Copper kettle, small")

    assert changed_fields(error.value) == ["title", "status"]


async def test_every_change_of_stock_has_a_new_etag(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller, stock=10)
    etags = [kettle.etag]

    async def note() -> None:
        seen = (await service.get_product(kettle.id)).etag
        assert seen not in etags
        assert seen.partition(".")[0] == '"1'
        etags.append(seen)

    released = await service.hold((kettle, 3))
    await note()
    await release_stock(service.deps, ReleaseStock(session_id=released))
    await note()
    bought = await service.hold((kettle, 2))
    await note()
    await update_stock(service.deps, UpdateStock(session_id=bought, lines=[Line(kettle.id, 2)]))
    await note()
    await update_stock(service.deps, UpdateStock(session_id=released, lines=[Line(kettle.id, 1)]))
    await note()
    await change(service, seller, kettle, stock=100)
    await note()
    await change(service, seller, kettle, stock_change=-1)
    await note()


async def test_reply_has_the_etag_of_what_was_stored(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)

    assert await service.get_product(kettle.id) == shown(kettle)
    assert await service.get_product(kettle.id, seller) == shown(kettle, to_owner=True)

    changed = await change(service, seller, kettle, kettle.etag, title="Copper kettle, large", stock=3)
    assert shown(changed) == await service.get_product(kettle.id)
    assert changed.etag != kettle.etag
    assert (await change(service, seller, kettle, changed.etag)).etag == changed.etag
    assert (await change(service, seller, kettle, changed.etag, stock=4)).stock == 4


async def test_change_that_waited_for_a_sale_is_refused(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller, stock=10)

    async with service.database.transaction() as tx:
        await tx.execute("UPDATE products SET stock = 7, held = 3")
        waiting = asyncio.create_task(change(service, seller, kettle, kettle.etag, stock=10))
        await until(lambda: all_wait_for_a_lock(service.database, 1))

    with pytest.raises(PreconditionFailed):
        await waiting
    assert await service.stock_levels(kettle) == (7, 3, 0)


async def test_old_etag_from_a_cache_is_refused(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    cached = await service.get_product(kettle.id)
    elsewhere = ServiceHarness(service.database, journal=service.deps.journal)
    elsewhere.shops = service.shops
    await change(elsewhere, seller, kettle, title="Copper kettle, large")

    with pytest.raises(PreconditionFailed):
        await change(service, seller, kettle, cached.etag, title="Copper kettle, small")


@pytest.mark.parametrize(
    ("if_match", "outcome"),
    [
        ("*", "done"),
        ("{etag}", "done"),
        ('"9.9", {etag}', "done"),
        ('{etag}, W/"1.1"', "done"),
        (' , {etag} ,\t"x",', "done"),
        ("{gzip}", "done"),
        ("W/{etag}", "stale"),
        ('"9.9"', "stale"),
        ('"0.0"', "stale"),
        ('"x"', "stale"),
        ('""', "stale"),
        ('"1"', "stale"),
        ('"1.2.3"', "stale"),
        ('"' + "9" * 400 + '.1"', "stale"),
        ("{old}", "stale"),
        ('{old}, "9.9", "x"', "stale"),
        ("", "if-match-invalid"),
        (" ", "if-match-invalid"),
        (",", "if-match-invalid"),
        ("1.1", "if-match-invalid"),
        ("{etag} {etag}", "if-match-invalid"),
        ("*, {etag}", "if-match-invalid"),
        ('"a', "if-match-invalid"),
        ('"a" "', "if-match-invalid"),
        ('w/"1.1"', "if-match-invalid"),
        ('"a b"', "if-match-invalid"),
        ('"é\x80"', "stale"),
        (", ".join(['"1.1"'] * 21), "if-match-invalid"),
    ],
)
async def test_if_match_of_any_form_is_answered(service: ServiceHarness, if_match: str, outcome: str) -> None:
    seller = await service.seller()
    old = await service.create_product(seller)
    kettle = await change(service, seller, old, title="Copper kettle, large")
    sent = if_match.format(etag=kettle.etag, old=old.etag, gzip=f'{kettle.etag[:-1]}-gzip"')

    try:
        await change(service, seller, kettle, sent, title="Copper kettle, small")
    except (PreconditionFailed, BadRequest) as error:
        answer = error.slug
    else:
        answer = "done"

    assert answer == outcome


async def test_stock_is_changed_by_a_difference(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller, stock=10)
    await service.hold((kettle, 3))

    changed = await change(service, seller, kettle, kettle.etag, stock_change=-3)

    assert changed.stock == 4
    assert await service.stock_levels(kettle) == (4, 3, 0)
    assert data((await published(service.database))[1])["fields"] == ["stock"]
    assert (await change(service, seller, kettle, stock_change=+6)).stock == 10
    assert shown(await change(service, seller, kettle, stock_change=0)) == await service.get_product(kettle.id)


@pytest.mark.parametrize(("by", "sentence"), [(-3, "Only 2 of “Copper kettle” are in stock"), (999_999, "Add fewer")])
async def test_difference_that_leaves_the_range_is_refused(service: ServiceHarness, by: int, sentence: str) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller, stock=2)

    with pytest.raises(Conflict, match=sentence) as error:
        await change(service, seller, kettle, title="Large kettle", stock_change=by)

    assert (error.value.slug, changed_fields(error.value)) == ("stock-out-of-range", ["stock_change"])
    assert (await service.get_product(kettle.id)) == shown(kettle)


async def test_stock_is_not_set_and_changed_at_once(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)

    with pytest.raises(Unprocessable) as error:
        await change(service, seller, kettle, stock=5, stock_change=1)

    assert error.value.slug == "stock-twice"
