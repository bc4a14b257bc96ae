"""Each rule of the layout is violated once in a small tree, and the violation is reported."""

from pathlib import Path

import pytest

from tools.layout import problems

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A valid tree of a service: use cases, one of them in a folder, a policy, a model, and a store."""
    files = {
        "order/service.py": "from nextbuy.order.create_order import create_order\n"
        "from nextbuy.order.returns.ask_return import ask_return",
        "order/create_order.py": "from nextbuy.order import store\nfrom nextbuy.order.fees import fee\n"
        "async def create_order(): ...",
        "order/returns/ask_return.py": "def ask_return(): ...",
        "order/fees.py": "def fee(): ...",
        "order/model.py": "from decimal import Decimal\ndef total(now): ...",
        "order/store.py": "async def insert(): ...",
        "order/deps.py": "class Deps: ...",
        "order/__init__.py": "",
        "kit/http/server.py": "import uvicorn",
    }
    for name, text in files.items():
        write(tmp_path, name, text)
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    """Write a file of the package."""
    path = root / "src" / "nextbuy" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_this_project_has_no_violation() -> None:
    assert problems(ROOT) == []


def test_valid_tree_has_no_violation(tree: Path) -> None:
    assert problems(tree) == []


@pytest.mark.parametrize(
    "line",
    [
        "from nextbuy.order.create_order import create_order",
        "from nextbuy.order import create_order",
        "import nextbuy.order.create_order",
        "from . import create_order",
        "from .create_order import create_order",
        "def late():\n    from nextbuy.order.create_order import create_order",
    ],
)
@pytest.mark.parametrize("place", ["order/fees.py", "order/store.py", "product/service.py", "host.py"])
def test_use_case_is_imported_by_its_service_only(tree: Path, line: str, place: str) -> None:
    if "from ." in line and not place.startswith("order/"):
        line = "import nextbuy.order.create_order"
    write(tree, place, f"{line}\ndef fee(): ...")
    assert (
        f"{place}: imports the use case create_order; move shared code to model.py, store.py, or a policy"
        in problems(tree)
    )


def test_use_case_in_folder_is_imported_by_its_service_only(tree: Path) -> None:
    write(
        tree,
        "order/create_order.py",
        "import nextbuy.order.returns.ask_return, nextbuy.order.fees\ndef create_order(): ...",
    )
    assert problems(tree) == [
        "order/create_order.py: imports the use case ask_return; move shared code to model.py, store.py, or a policy"
    ]


def test_use_case_defines_function_of_its_name(tree: Path) -> None:
    write(tree, "order/returns/ask_return.py", "def ask_for_return(): ...")
    assert problems(tree) == [
        (
            "order/returns/ask_return.py: defines no function ask_return and is not imported; "
            "name the use case after its function, or import the policy from a use case"
        )
    ]


def test_policy_is_imported(tree: Path) -> None:
    write(tree, "order/discounts.py", "def discount(): ...")
    assert problems(tree) == [
        (
            "order/discounts.py: defines no function discounts and is not imported; "
            "name the use case after its function, or import the policy from a use case"
        )
    ]


def test_service_without_table_of_contents_is_not_checked(tree: Path) -> None:
    write(tree, "seller/reputation.py", "def score(): ...")
    assert problems(tree) == []


REDIS_BUS = ", ".join(
    f"kit/events/bus/redis{name}.py"
    for name in ("", "_backlog", "_connection", "_failures", "_offsets", "_risks", "_subscription")
)


@pytest.mark.parametrize(
    ("place", "line", "library", "allowed"),
    [
        ("order/service.py", "from uvicorn import Config", "uvicorn", "kit/http/protocol.py, kit/http/server.py"),
        ("order/store.py", "import asyncpg", "asyncpg", "kit/storage/, host/"),
        (
            "order/store.py",
            "import redis.asyncio",
            "redis",
            f"embedded/, {REDIS_BUS}, kit/storage/cache_server.py, host/",
        ),
        ("kit/http/app.py", "import httptools", "httptools", "kit/http/protocol.py"),
    ],
)
def test_library_is_imported_in_its_places_only(tree: Path, place: str, line: str, library: str, allowed: str) -> None:
    write(tree, place, line)
    assert f"{place}: imports {library}; only {allowed} may" in problems(tree)


def test_only_the_kafka_service_uses_the_bus(tree: Path) -> None:
    text = "from nextbuy.kit.events.bus.interface import Bus\n\n\nasync def deliver(bus: Bus) -> None: ...\n"
    write(tree, "kafka/deps.py", text)
    assert problems(tree) == []

    write(tree, "order/deps.py", text)

    assert problems(tree) == ["order/deps.py: uses the bus; only the kafka service does: subscribe or publish"]


@pytest.mark.parametrize(
    ("text", "violation"),
    [
        ("async def total(): ...", "order/model.py:1: a model is pure, but this one waits"),
        ("import time", "order/model.py: a model is pure, but this one imports time"),
        (
            "from datetime import datetime\nx = datetime.now()",
            "order/model.py:2: a model is pure, but this one reads a clock; pass the time",
        ),
    ],
)
def test_model_is_pure(tree: Path, text: str, violation: str) -> None:
    write(tree, "order/model.py", text)
    assert problems(tree) == [violation]


def test_each_file_of_model_is_pure(tree: Path) -> None:
    write(tree, "order/model/stock.py", "import random")
    assert problems(tree) == ["order/model/stock.py: a model is pure, but this one imports random"]


@pytest.mark.parametrize("folder", ["src/nextbuy/order", "tests/order", "tools"])
def test_file_has_at_most_400_lines(tree: Path, folder: str) -> None:
    path = tree / folder / "model.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x = 1\n" * 401)
    assert problems(tree) == [f"{folder}/model.py: has 401 lines, more than 400; split it by subject"]
    path.write_text("x = 1\n" * 400)
    assert problems(tree) == []
