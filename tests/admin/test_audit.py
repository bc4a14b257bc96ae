"""The audit of admins: what operators did in every service, newest first, by actor and by subject."""

import pytest
from msgspec import UNSET, UnsetType

from nextbuy.admin.audit import AuditRequest, audit
from nextbuy.admin.deps import Deps
from nextbuy.admin.service import SERVICE
from nextbuy.admin.store_operator_acts import store_operator_acts
from nextbuy.contracts.auth import Account, Accounts, GetAccounts
from nextbuy.contracts.errors import Unavailable, Unprocessable
from nextbuy.contracts.operator import OPERATED, OperatorActed, operator_acted_of
from nextbuy.contracts.values import new_id
from tests.callers import caller
from tests.doubles import StubCalls
from tests.inbound import Delivery, assert_fixed_lock_order, handle, inbound


def act(actor: str = "", subject: str = "it", service: str = "auth", action: str = "suspend-account") -> OperatorActed:
    return operator_acted_of(service)(
        act_id=new_id(),
        actor=actor or str(new_id()),
        action=action,
        subject=subject,
        before="active",
        after="suspended",
        reason="fraud",
        details={"kind": "test"},
    )


@pytest.fixture(autouse=True)
def _nobody(calls: StubCalls) -> None:
    calls.replies[GetAccounts] = lambda call: Accounts([], sorted(call.account_ids))


async def test_act_is_listed_with_the_name_of_its_actor(deps: Deps, operator: Account, calls: StubCalls) -> None:
    calls.replies[GetAccounts] = lambda call: Accounts([operator], sorted(set(call.account_ids) - {operator.id}))
    mine, terminal = act(str(operator.id)), act("terminal:root")
    await handle(store_operator_acts, deps, inbound(mine), inbound(terminal))

    last, first = (await audit(deps, caller(operator), AuditRequest())).items

    assert (first.id, first.actor_name, first.action, first.subject) == (
        mine.act_id,
        operator.name,
        "suspend-account",
        "it",
    )
    assert (first.before, first.after, first.reason, first.details) == (
        "active",
        "suspended",
        "fraud",
        {"kind": "test"},
    )
    assert (last.actor, last.actor_name) == ("terminal:root", "")
    calls.replies[GetAccounts] = Unavailable()
    assert len((await audit(deps, caller(operator), AuditRequest())).items) == 2


async def test_audit_is_filtered_by_actor_and_subject_page_by_page(deps: Deps, operator: Account) -> None:
    acts = [act(actor, subject) for actor in ("terminal:ann", "terminal:bob") for subject in ("one", "two", "one")]
    await handle(store_operator_acts, deps, *map(inbound, acts))

    async def listed(actor: str | None, subject: str | None) -> list[OperatorActed]:
        found: list[OperatorActed] = []
        cursor: str | UnsetType = UNSET
        while True:
            request = AuditRequest(limit=1, cursor=cursor, actor=actor or UNSET, subject=subject or UNSET)
            page = await audit(deps, caller(operator), request)
            found += [one for item in page.items for one in acts if one.act_id == item.id]
            if page.next_cursor is None:
                return found
            cursor = page.next_cursor

    assert await listed(None, None) == acts[::-1]
    assert await listed("terminal:ann", None) == acts[2::-1]
    assert await listed("terminal:bob", "one") == [acts[5], acts[3]]
    assert await listed("terminal:eve", None) == []
    page = await audit(deps, caller(operator), AuditRequest(limit=1))
    with pytest.raises(Unprocessable):
        await audit(deps, caller(operator), AuditRequest(cursor=page.next_cursor or "", actor="terminal:ann"))


async def test_audit_is_filtered_by_action(deps: Deps, operator: Account) -> None:
    suspended, decided = act(), act(action="decide-product")
    await handle(store_operator_acts, deps, inbound(suspended), inbound(decided))

    page = await audit(deps, caller(operator), AuditRequest(action="decide-product"))

    assert [one.id for one in page.items] == [decided.act_id]


async def test_act_of_every_service_is_stored_once(deps: Deps, operator: Account) -> None:
    delivery = Delivery(SERVICE, deps, deps.database)
    acts = [inbound(act(service=service)) for service in OPERATED]

    await delivery(*acts)
    await delivery(*acts)

    assert len((await audit(deps, caller(operator), AuditRequest())).items) == len(OPERATED)


async def test_batch_is_stored_by_one_statement_in_fixed_lock_order(deps: Deps) -> None:
    first, last = inbound(act()), inbound(act())

    assert await handle(store_operator_acts, deps, inbound(act()), inbound(act())) == 1
    await assert_fixed_lock_order(store_operator_acts, deps, first, last)
