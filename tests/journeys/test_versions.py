"""The ETag of a product from the gateway to the service and back, in one process and in several."""

from tests.journeys.assertions import assert_problem
from tests.journeys.journey_client import JourneyClient, Json, Person, Response


async def test_version_decides_from_the_gateway_on(client: JourneyClient) -> None:
    admin, seller, buyer = await client.admin(), await client.new_seller(), await client.new_buyer()
    fields = client.product_fields(category="electronics", stock=10)
    created = await client.request("POST", "/product/api/create-product", fields, who=seller)
    lamp = created.json["product"]

    async def change(body: Json, etag: str) -> Response:
        path = f"/product/api/update-product/{lamp['id']}"
        return await client.request("PUT", path, body, who=seller, headers={"If-Match": etag})

    async def decide(verb: str, etag: str | None) -> Response:
        headers = {} if etag is None else {"If-Match": etag}
        path = f"/admin/api/{verb}-product/{lamp['id']}"
        return await client.request("POST", path, {"reason": "Fake."}, who=admin, headers=headers)

    async def read(who: Person | None, **headers: str) -> Response:
        return await client.request("GET", f"/product/api/get-product/{lamp['id']}", who=who, headers=headers)

    assert created.headers["etag"] == lamp["etag"]
    assert_problem(await change({}, "1.1"), 400, "if-match-invalid")
    assert (await change({"title": "Desk lamp"}, lamp["etag"])).status == 200

    unseen = await decide("approve", lamp["etag"])
    assert_problem(unseen, 412, "stale")
    assert [error["field"] for error in unseen.json["errors"]] == ["title"]

    pending = await client.list_all("/admin/api/get-pending-products", admin)
    [waiting] = [product for product in pending if product["id"] == lamp["id"]]
    approved = await decide("approve", waiting["etag"])
    assert approved.status == 200, approved.body
    assert_problem(await decide("reject", None), 409, "already-decided")

    await client.open_session(buyer, [(lamp, 3)])
    assert_problem(await change({"stock": 10}, approved.headers["etag"]), 412, "stale")
    kept = await change({"tags": ["desk"]}, approved.headers["etag"])
    assert (kept.status, kept.json["product"]["stock"]) == (200, 7)

    approved = await decide("approve", kept.headers["etag"])
    for who in (None, buyer, seller, admin):
        current = await read(who)
        assert current.headers["etag"] == approved.headers["etag"] == current.json["product"]["etag"]
        known = await read(who, **{"If-None-Match": current.headers["etag"]})
        assert (known.status, known.body) == (304, b"")
