"""The token of a link is in its mail alone: in no table, log line, trace or dead letter of the whole marketplace."""

import json
import re
import zlib

import pytest

from nextbuy.contracts.auth import PasswordResetRequested
from nextbuy.contracts.values import new_id
from nextbuy.kit.events.outbox import publish
from tests.hostile.hostile_fixture import HostileMarket, email_of
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def mail_of(market: HostileMarket, kind: str, recipient: str) -> str:
    """Return the text of the newest stored mail of a kind to a recipient, as an admin reads it."""
    found: list[str] = []

    async def stored() -> bool:
        answer = await market.request("GET", "/notification/api/mails", query="status=stored", who="admin")
        page = json.loads(answer.body)
        found[:] = [one["id"] for one in page["items"] if (one["kind"], one["recipient"]) == (kind, recipient)]
        return bool(found)

    await until(stored, f"a mail of kind {kind}")
    text: str = (await market.call("GET", f"/notification/api/mails/{found[0]}", who="admin"))["body"]
    return text


async def everything_stored(market: HostileMarket) -> dict[str, str]:
    """Return all rows of all tables, all traces and the log, by their place; without the bodies of stored mails."""
    places = {"log": (market.process.settings.data / "journal").read_text(errors="replace")}
    for service, database in market.process.databases.items():
        for row in await database.fetch("SELECT relname FROM pg_stat_user_tables"):
            table = row["relname"]
            column = "to_jsonb(t) - 'body' - 'html'" if table == "mails" else "to_jsonb(t)"
            rows = await database.fetch(f"SELECT ({column})::text AS line FROM {table} t")
            places[f"{service}.{table}"] = "\n".join(one["line"] for one in rows)
    batches = await market.process.databases["kafka"].fetch("SELECT lines FROM trace_batches")
    places["traces"] = "\n".join(zlib.decompress(one["lines"]).decode() for one in batches)
    return places


async def test_token_of_a_link_is_in_its_mail_alone(market: HostileMarket) -> None:
    email = email_of("third_buyer")
    await market.call("POST", "/auth/api/request-password-reset", {"email": email})
    text = await mail_of(market, "password-reset", email)
    [token] = re.findall(r"/reset-password\?token=([\w-]{43})\n", text)
    # A link of an account that does not exist, which fails; and uses of the token that are refused and accepted.
    auth = market.process.databases["auth"]
    async with auth.transaction() as tx:
        await publish(tx, PasswordResetRequested(account_id=new_id(), link_id=new_id()))
    for password, status in (("password1", 422), ("a quite new password", 204), ("a quite new password", 409)):
        body = json.dumps({"token": token, "password": password}).encode()
        headers = {"idempotency-key": f"reset-{password}"} if status == 204 else {}
        answer = await market.request("POST", "/auth/api/reset-password", body=body, headers=headers)
        assert answer.status == status
    wrong = await market.request("GET", f"/auth/api/reset-password/{token}", query=f"token={token}")
    assert wrong.status == 404
    await mail_of(market, "password-changed", email)
    account_id = market.people["third_buyer"].id

    async def traced() -> bool:
        return account_id in (await everything_stored(market))["traces"]

    await until(traced, "the requests are in the traces")
    places = await everything_stored(market)
    hexadecimal = token.encode().hex()  # of a column with bytes
    assert [place for place, text in places.items() if token in text or hexadecimal in text] == []
    assert "password-reset.requested" in places["auth.event_log"]
    assert "password-reset" in places["log"]
