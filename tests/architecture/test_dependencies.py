"""Who may ask whom is what the specification says, in `deps.py`, in the contracts, and in what is really asked."""

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
SPECIFICATION: Final = """
### Order Service
- **Depends on**:
  - Auth Service: Validate user
  - Product Service: Validate products, update stock
  - Seller Service: Get shop information

### Product Service
- **Depends on**:
  - Auth Service: Validate seller
  - Seller Service: Validate shop ownership

### Seller Service
- **Depends on**:
  - Auth Service: Validate seller authentication

### Admin Service
- **Depends on**:
  - Auth Service: Validate admin
  - Product Service: Get products for moderation
  - Seller Service: Get sellers for verification
"""
OURS: Final[dict[str, dict[str, list[str]]]] = {
    # "Service A -> Kafka -> Kafka Service -> Service B", and who reads its dead letters is an admin.
    # The event logs are read in order to make figures again of them.
    "kafka": {
        "auth": ["validate admin", "validate user", "read events"],
        "admin": ["create notification"],
        "product": ["upsert shop", "count activity", "read events"],
        "seller": ["read events"],
        "order": ["read events"],
    },
    "auth": {},
    "simulator": {},
}
SAID_AS: Final = {
    "get shop information": "get_shops",
    "validate shop ownership": "validate_shop_owner",
    "validate seller authentication": "validate_seller",
    "get products for moderation": "list_products",
    "get sellers for verification": "list_sellers",
}
"""The purposes that are not called as they are told."""


@dataclass
class Words:
    """What the contracts hold."""

    clients: dict[str, str] = field(default_factory=dict)
    """Whom a client asks."""
    methods: dict[tuple[str, str], str] = field(default_factory=dict)
    """The call that a client's method sends."""
    callers: dict[str, set[str]] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    """Who answers a call."""


def specified(text: str) -> dict[str, dict[str, list[str]]]:
    """Read who depends on whom, and what for."""
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


def words_of(package: Path) -> Words:
    """Read the contracts."""
    words = Words()
    for path in (package / "contracts").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _literal(node.value)
        }
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                _read_class(node, constants, words)
    return words


def _read_class(node: ast.ClassDef, constants: Mapping[str, tuple[str, ...]], words: Words) -> None:
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if "to" in given and "callers" in given:
        said = given["callers"]
        words.callers[node.name] = set(constants[said.id] if isinstance(said, ast.Name) else ast.literal_eval(said))
        words.asked[node.name] = ast.literal_eval(given["to"])
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and ast.unparse(part.target) == "service" and part.value is not None:
            words.clients[node.name] = ast.literal_eval(part.value)
        if isinstance(part, ast.AsyncFunctionDef) and node.name.endswith("Client"):
            types = {argument.arg: ast.unparse(argument.annotation or argument) for argument in part.args.args}
            for sent in _sent(part):
                words.methods[node.name, part.name] = types.get(sent, sent)


def _literal(node: ast.expr) -> bool:
    return isinstance(node, ast.Tuple) and all(isinstance(item, ast.Constant) for item in node.elts)


def _sent(tree: ast.AST) -> Iterator[str]:
    """The names of what is handed to a `_send` or `send`: a call's class, or a parameter."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {"_send", "send"} and node.args:
            said = node.args[0]
            yield ast.unparse(said.func if isinstance(said, ast.Call) else said)


@dataclass
class Service:
    """What one service says that it needs, and what it really asks."""

    fields: dict[str, str] = field(default_factory=dict)
    """Its clients, by the name that `deps.py` gives them."""
    asks: set[tuple[str, str]] = field(default_factory=set)
    """Clients, and the methods of theirs that it awaits."""
    sends: set[str] = field(default_factory=set)
    """Calls that it makes without a client of the contracts."""

    def calls(self, words: Words) -> set[str]:
        """All that it sends."""
        return self.sends | {words.methods[pair] for pair in self.asks if pair in words.methods}


def service_of(folder: Path, words: Words) -> Service:
    """Read one service."""
    found = Service()
    for node in ast.walk(ast.parse((folder / "deps.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) in words.clients:
            found.fields[ast.unparse(node.target)] = ast.unparse(node.annotation)
    for path in folder.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found.sends |= {name for name in _sent(tree) if name in words.callers}
        for holder, method in _awaited(tree):
            if holder in found.fields:
                found.asks.add((found.fields[holder], method))
    return found


def _awaited(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What is awaited of a field of something: `await deps.auth.validate_user(…)` is (auth, validate_user)."""
    for node in ast.walk(tree):
        match node:
            case ast.Await(
                value=ast.Call(func=ast.Attribute(value=ast.Attribute(value=ast.Name(), attr=holder), attr=method))
            ):
                yield holder, method


def host_sends(folder: Path, words: Words) -> dict[str, set[str]]:
    """What the host asks in somebody's name: `self.x = Client(self.calls("name").send)`, then `await self.x.ask()`."""
    sent: dict[str, set[str]] = defaultdict(set)
    for path in folder.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        holders: dict[str, tuple[str, str]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                client, target = ast.unparse(node.value.func), ast.unparse(node.targets[0]).rpartition(".")[2]
                for part in ast.walk(node.value) if client in words.clients else ():
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        holders[target] = (client, part.value)
        for holder, method in _awaited(tree):
            if holder in holders:
                client, name = holders[holder]
                sent[name].add(words.methods[client, method])
    return sent


def problems(package: Path, table: Mapping[str, Mapping[str, list[str]]]) -> list[str]:
    """Say what is not as the table says."""
    words = words_of(package)
    names = sorted(path.parent.name for path in package.glob("*/deps.py"))
    services = {name: service_of(package / name, words) for name in names}
    found = [f"{name}: is not in the table" for name in names if name not in table]
    for name, service in services.items():
        needs, has = set(table.get(name, {})), {words.clients[client] for client in service.fields.values()}
        found += [f"{name}: deps.py has no client of {callee}" for callee in sorted(needs - has)]
        found += [f"{name}: deps.py has a client of {callee}, which nobody asked for" for callee in sorted(has - needs)]
        asked = {words.clients[client] for client, _ in service.asks}
        found += [f"{name}: never asks {callee}" for callee in sorted(has - asked)]
        methods = {(words.clients[client], method) for client, method in service.asks}
        found += [
            f"{name}: does not ask {callee} to {purpose}"
            for callee, purposes in table.get(name, {}).items()
            for purpose in purposes
            if (callee, SAID_AS.get(purpose, purpose.replace(" ", "_"))) not in methods
        ]
    made: dict[str, set[str]] = {call: set() for call in words.callers}
    sent = {name: service.calls(words) for name, service in services.items()}
    for senders in (sent, host_sends(package / "host", words)):
        for name, calls in senders.items():
            for call in calls:
                made[call].add(name)
    for call, callers in sorted(words.callers.items()):
        found += [f"{call}: {name} may make it, and never does" for name in sorted(callers - made[call])]
        found += [f"{call}: {name} makes it, and may not" for name in sorted(made[call] - callers)]
    try:
        TopologicalSorter({name: {words.asked[call] for call in calls} for name, calls in sent.items()}).prepare()
    except CycleError as error:
        found.append(f"a circle of services: {' < '.join(error.args[1])}")
    return found


TABLE: Final = specified(SPECIFICATION) | OURS


def test_the_specification_is_read_whole() -> None:
    assert {name: set(needs) for name, needs in specified(SPECIFICATION).items()} == {
        "order": {"auth", "product", "seller"},
        "product": {"auth", "seller"},
        "seller": {"auth"},
        "admin": {"auth", "product", "seller"},
    }
    assert TABLE["order"]["product"] == ["validate products", "update stock"]


def test_every_service_asks_whom_the_specification_says_and_nobody_else() -> None:
    assert problems(PACKAGE, TABLE) == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of ours, to be spoilt."""
    return Path(
        shutil.copytree(PACKAGE, tmp_path / "nextbuy", ignore=lambda _, names: {n for n in names if _is_ballast(n)})
    )


def _is_ballast(name: str) -> bool:
    return name in {"web", "demo", "embedded", "__pycache__", "templates"}


def spoil(path: Path, old: str, new: str) -> None:
    """Put something else in the place of a text that is there."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} has no {old!r} any more: plant this violation anew"
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("place", "old", "new", "said"),
    [
        pytest.param(
            "seller/deps.py",
            "    auth: AuthClient\n",
            "    auth: AuthClient\n    product: ProductClient\n",
            ["seller: deps.py has a client of product, which nobody asked for", "seller: never asks product"],
            id="a client too many",
        ),
        pytest.param(
            "admin/deps.py",
            "    seller: SellerClient\n",
            "",
            [
                "admin: deps.py has no client of seller",
                "admin: does not ask seller to get sellers for verification",
                "DecideSeller: admin may make it, and never does",
                "ListSellers: admin may make it, and never does",
            ],
            id="a client too few",
        ),
        pytest.param(
            "product/create_product.py",
            "await deps.seller.validate_shop_owner(account.id)",
            "deps.seller.validate_shop_owner(account.id)",
            [],
            id="asked elsewhere all the same",
        ),
        pytest.param(
            "kafka/notifications/notify_admins.py",
            "await deps.admin.create_notification(note)",
            "print(note)",
            [
                "kafka: never asks admin",
                "kafka: does not ask admin to create notification",
                "CreateNotification: kafka may make it, and never does",
            ],
            id="a client that is never used",
        ),
        pytest.param(
            "order/complete_checkout.py",
            "await deps.product.update_stock(",
            "await deps.product.hold_stock(",
            ["order: does not ask product to update stock", "UpdateStock: order may make it, and never does"],
            id="a purpose that is forgotten",
        ),
        pytest.param(
            "contracts/simulator.py",
            'class RefundPayment(Call[PaymentReturned], to="simulator", callers=("order",)',
            'class RefundPayment(Call[PaymentReturned], to="simulator", callers=("admin",)',
            ["RefundPayment: admin may make it, and never does", "RefundPayment: order makes it, and may not"],
            id="the wrong caller",
        ),
        pytest.param(
            "host/process.py",
            'self.calls("gateway")',
            'self.calls("order")',
            ["GetPublicKeys: gateway may make it, and never does", "GetPublicKeys: order makes it, and may not"],
            id="the host in another's name",
        ),
        pytest.param(
            "auth/me.py",
            "    if caller.identity is None:\n",
            "    await auth._send(CreateNotification())\n    if caller.identity is None:\n",
            ["CreateNotification: auth makes it, and may not", "a circle of services"],
            id="a circle",
        ),
    ],
)
def test_a_planted_dependency_is_caught(tree: Path, place: str, old: str, new: str, said: list[str]) -> None:
    spoil(tree / place, old, new)
    found = problems(tree, TABLE)
    assert len(found) == len(said) or not said, found
    assert all(any(line.startswith(expected) for line in found) for expected in said), found
    assert bool(found) == bool(said), found


def test_a_new_service_must_be_in_the_table(tree: Path) -> None:
    (tree / "review").mkdir()
    (tree / "review" / "deps.py").write_text("class Deps: ...\n")
    assert problems(tree, TABLE) == ["review: is not in the table"]
