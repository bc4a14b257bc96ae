"""Services call each other as the specification says: in `deps.py`, in the contracts, and in their code."""

import ast
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

PACKAGE: Final = Path(__file__).parents[2] / "src" / "nextbuy"
SPECIFICATION: Final = (
    (PACKAGE.parents[1] / "docs" / "service-interaction-patterns.md")
    .read_text(encoding="utf-8")
    .partition("## Service Dependencies")[2]
    .partition("\n## ")[0]
)
ADDITIONS: Final[dict[str, dict[str, list[str]]]] = {
    # "Service A -> Kafka -> Kafka Service -> Service B": it delivers events to every service that subscribes to some,
    # with one call of `DeliveryClient`. Admins read its dead letters.
    "kafka": {"auth": ["validate admin"]},
    # Notifications are read by the account that they are for, mails by admins.
    "notification": {"auth": ["validate admin", "validate user", "get accounts", "issue links"]},
    # Projections are rebuilt from the event logs.
    "analytics": {
        "auth": ["validate admin", "validate user", "read events"],
        "product": ["read events"],
        "seller": ["read events"],
        "order": ["read events"],
    },
    # Auth confirms a seller or an admin before they see a product that is hidden from the public (ADR 22). Seller knows
    # the slugs of shops, which events of 0.2.0 do not have.
    "product": {"auth": ["validate user"], "seller": ["get shops"]},
    # The same for a shop that is not approved.
    "seller": {"auth": ["validate user"]},
    "auth": {},
    # Like any provider, it has operators of its own; here they are the admins.
    "simulator": {"auth": ["validate admin"]},
}
EVERY_PROCESS: Final = ("StoreInteractions",)
METHOD_NAMES: Final = {
    "get shop information": "get_shops",
    "validate shop ownership": "validate_shop_owner",
    "validate seller authentication": "validate_seller",
    "get products for moderation": "list_products",
    "get sellers for verification": "list_sellers",
}
"""The methods whose names differ from the purpose in the specification."""


@dataclass
class Contracts:
    """The clients and the calls that the contracts define."""

    clients: dict[str, str] = field(default_factory=dict)
    """The service of each client."""
    methods: dict[tuple[str, str], str] = field(default_factory=dict)
    """The call that each method of a client sends."""
    callers: dict[str, set[str]] = field(default_factory=dict)
    callees: dict[str, str] = field(default_factory=dict)
    """The service that answers each call."""


def read_specification(text: str) -> dict[str, dict[str, list[str]]]:
    """Read the dependencies of each service, with their purposes."""
    table: dict[str, dict[str, list[str]]] = {}
    service = ""
    for line in text.splitlines():
        if line.startswith("### "):
            service = line.split()[1].lower()
            table[service] = {}
        elif line.startswith("  - "):
            callee, _, purposes = line.removeprefix("  - ").partition(" Service: ")
            table[service][callee.lower()] = [purpose.lower() for purpose in purposes.split(", ")]
    return table


def read_contracts(package: Path) -> Contracts:
    """Read the contracts."""
    contracts = Contracts()
    for path in (package / "contracts").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _literal(node.value)
        }
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                _read_class(node, constants, contracts)
    return contracts


def _read_class(node: ast.ClassDef, constants: Mapping[str, tuple[str, ...]], contracts: Contracts) -> None:
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    if "to" in keywords and "callers" in keywords:
        callers = keywords["callers"]
        contracts.callers[node.name] = set(
            constants[callers.id] if isinstance(callers, ast.Name) else ast.literal_eval(callers)
        )
        contracts.callees[node.name] = ast.literal_eval(keywords["to"])
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and ast.unparse(part.target) == "service" and part.value is not None:
            contracts.clients[node.name] = ast.literal_eval(part.value)
        if isinstance(part, ast.AsyncFunctionDef) and node.name.endswith("Client"):
            types = {argument.arg: ast.unparse(argument.annotation or argument) for argument in part.args.args}
            for sent in _sent(part):
                contracts.methods[node.name, part.name] = types.get(sent, sent)


def _literal(node: ast.expr) -> bool:
    return isinstance(node, ast.Tuple) and all(isinstance(item, ast.Constant) for item in node.elts)


def _sent(tree: ast.AST) -> Iterator[str]:
    """Yield the first argument of each `_send` and `send`: the class of a call, or a parameter."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {"_send", "send"} and node.args:
            call = node.args[0]
            yield ast.unparse(call.func if isinstance(call, ast.Call) else call)


@dataclass
class Service:
    """The clients of one service, and the calls that it makes."""

    fields: dict[str, str] = field(default_factory=dict)
    """The classes of its clients, by their names in `deps.py`."""
    methods: set[tuple[str, str]] = field(default_factory=set)
    """The methods that it awaits, each with its client."""
    sends: set[str] = field(default_factory=set)
    """The calls that it makes without a client."""

    def calls(self, contracts: Contracts) -> set[str]:
        """Return all calls that it makes."""
        return self.sends | {contracts.methods[pair] for pair in self.methods if pair in contracts.methods}


def read_service(folder: Path, contracts: Contracts) -> Service:
    """Read one service."""
    found = Service()
    for node in ast.walk(ast.parse((folder / "deps.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) in contracts.clients:
            found.fields[ast.unparse(node.target)] = ast.unparse(node.annotation)
    for path in folder.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found.sends |= {name for name in _sent(tree) if name in contracts.callers}
        for holder, method in _awaited(tree):
            if holder in found.fields:
                found.methods.add((found.fields[holder], method))
    return found


def _awaited(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield each awaited method of a field: (auth, validate_user) for `await deps.auth.validate_user(…)`."""
    for node in ast.walk(tree):
        match node:
            case ast.Await(
                value=ast.Call(func=ast.Attribute(value=ast.Attribute(value=ast.Name(), attr=holder), attr=method))
            ):
                yield holder, method


def host_sends(folder: Path, contracts: Contracts) -> dict[str, set[str]]:
    """Return the calls of the host by service: `self.x = Client(self.calls("name").send)`, `await self.x.m()`."""
    sent: dict[str, set[str]] = defaultdict(set)
    for path in folder.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        holders: dict[str, tuple[str, str]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                client, target = ast.unparse(node.value.func), ast.unparse(node.targets[0]).rpartition(".")[2]
                for part in ast.walk(node.value) if client in contracts.clients else ():
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        holders[target] = (client, part.value)
        for holder, method in _awaited(tree):
            if holder in holders:
                client, name = holders[holder]
                sent[name].add(contracts.methods[client, method])
    return sent


def problems(package: Path, table: Mapping[str, Mapping[str, list[str]]]) -> list[str]:
    """Return one line for each difference between the code and the table."""
    contracts = read_contracts(package)
    names = sorted(path.parent.name for path in package.glob("*/deps.py"))
    services = {name: read_service(package / name, contracts) for name in names}
    found = [f"{name}: is not in the table" for name in names if name not in table]
    for name, service in services.items():
        needs, has = set(table.get(name, {})), {contracts.clients[client] for client in service.fields.values()}
        found += [f"{name}: deps.py has no client of {callee}" for callee in sorted(needs - has)]
        found += [
            f"{name}: deps.py has a client of {callee}, which is not in the table" for callee in sorted(has - needs)
        ]
        called = {contracts.clients[client] for client, _ in service.methods}
        found += [f"{name}: never calls {callee}" for callee in sorted(has - called)]
        methods = {(contracts.clients[client], method) for client, method in service.methods}
        found += [
            f"{name}: does not call {callee} to {purpose}"
            for callee, purposes in table.get(name, {}).items()
            for purpose in purposes
            if (callee, METHOD_NAMES.get(purpose, purpose.replace(" ", "_"))) not in methods
        ]
    made: dict[str, set[str]] = {call: set() for call in contracts.callers}
    sent = {name: service.calls(contracts) for name, service in services.items()}
    for senders in (sent, host_sends(package / "host", contracts)):
        for name, calls in senders.items():
            for call in calls:
                made[call].add(name)
    for call in EVERY_PROCESS:
        # The host makes it for whichever services run in the process.
        made[call] = {*(set(names) & set(table)), "gateway"}
    for call, callers in sorted(contracts.callers.items()):
        found += [f"{call}: {name} is an allowed caller and never makes it" for name in sorted(callers - made[call])]
        found += [f"{call}: {name} makes it and is not allowed to" for name in sorted(made[call] - callers)]
    try:
        TopologicalSorter({name: {contracts.callees[call] for call in calls} for name, calls in sent.items()}).prepare()
    except CycleError as error:
        found.append(f"a cycle of services: {' < '.join(error.args[1])}")
    return found


def with_additions(table: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, list[str]]]:
    """Return a table with the purposes of `ADDITIONS` after its own."""
    return {
        service: {
            callee: table.get(service, {}).get(callee, []) + ADDITIONS.get(service, {}).get(callee, [])
            for callee in {**table.get(service, {}), **ADDITIONS.get(service, {})}
        }
        for service in {**table, **ADDITIONS}
    }


TABLE: Final = with_additions(read_specification(SPECIFICATION))


def test_whole_specification_is_read() -> None:
    assert {name: set(needs) for name, needs in read_specification(SPECIFICATION).items()} == {
        "order": {"auth", "product", "seller"},
        "product": {"auth", "seller"},
        "seller": {"auth"},
        "admin": {"auth", "product", "seller"},
    }
    assert TABLE["order"]["product"] == ["validate products", "update stock"]
    assert TABLE["product"]["auth"] == ["validate seller", "validate user"]


def test_services_call_each_other_as_specified() -> None:
    assert problems(PACKAGE, TABLE) == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the package, in which a test plants a violation."""
    return Path(
        shutil.copytree(PACKAGE, tmp_path / "nextbuy", ignore=lambda _, names: {n for n in names if _is_irrelevant(n)})
    )


def _is_irrelevant(name: str) -> bool:
    return name in {"web", "demo", "embedded", "__pycache__", "templates"}


def replace(path: Path, old: str, new: str) -> None:
    """Replace a text that the file contains."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} no longer contains {old!r}: update this violation"
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("place", "old", "new", "differences"),
    [
        pytest.param(
            "seller/deps.py",
            "    auth: AuthClient\n",
            "    auth: AuthClient\n    product: ProductClient\n",
            ["seller: deps.py has a client of product, which is not in the table", "seller: never calls product"],
            id="a superfluous client",
        ),
        pytest.param(
            "admin/deps.py",
            "    seller: SellerClient\n",
            "",
            [
                "admin: deps.py has no client of seller",
                "admin: does not call seller to get sellers for verification",
                "ApplyAccountStatus: admin is an allowed caller and never makes it",
                "DecideSeller: admin is an allowed caller and never makes it",
                "ListSellers: admin is an allowed caller and never makes it",
            ],
            id="a missing client",
        ),
        pytest.param(
            "product/create_product.py",
            "await deps.seller.validate_shop_owner(account.id)",
            "deps.seller.validate_shop_owner(account.id)",
            [],
            id="one call of several",
        ),
        pytest.param(
            "order/create_payment_session.py",
            "await deps.seller.get_shops(",
            "await get_shops(",
            [
                "order: never calls seller",
                "order: does not call seller to get shop information",
                "GetShops: order is an allowed caller and never makes it",
            ],
            id="a client that is never used",
        ),
        pytest.param(
            "order/checkout_completion.py",
            "await deps.product.update_stock(",
            "await deps.product.hold_stock(",
            [
                "order: does not call product to update stock",
                "UpdateStock: order is an allowed caller and never makes it",
            ],
            id="a purpose without a call",
        ),
        pytest.param(
            "contracts/simulator.py",
            'class RefundPayment(Call[Refund], to="simulator", name="refund-payment", callers=("order",)',
            'class RefundPayment(Call[Refund], to="simulator", name="refund-payment", callers=("admin",)',
            [
                "RefundPayment: admin is an allowed caller and never makes it",
                "RefundPayment: order makes it and is not allowed to",
            ],
            id="the wrong caller",
        ),
        pytest.param(
            "host/process.py",
            'self._calls("gateway")',
            'self._calls("order")',
            [
                "GetPublicKeys: gateway is an allowed caller and never makes it",
                "GetPublicKeys: order makes it and is not allowed to",
            ],
            id="the host for the wrong service",
        ),
        pytest.param(
            "auth/me.py",
            "    return Me(await require_account(deps, caller))\n",
            "    await auth._send(GetShops())\n    return Me(await require_account(deps, caller))\n",
            ["GetShops: auth makes it and is not allowed to", "a cycle of services"],
            id="a cycle",
        ),
    ],
)
def test_planted_difference_is_found(tree: Path, place: str, old: str, new: str, differences: list[str]) -> None:
    replace(tree / place, old, new)
    found = problems(tree, TABLE)
    assert len(found) == len(differences) or not differences, found
    assert all(any(line.startswith(expected) for line in found) for expected in differences), found
    assert bool(found) == bool(differences), found


def test_new_service_needs_an_entry(tree: Path) -> None:
    (tree / "review").mkdir()
    (tree / "review" / "deps.py").write_text("class Deps: ...\n")
    assert problems(tree, TABLE) == ["review: is not in the table"]
