"""Each rule of the layout is broken once, in a small tree, and must be told as what it is."""

from pathlib import Path

import pytest

from tools.layout import problems

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small shop in order: one use case, a policy, a model and a store, grouped as a service may."""
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
    """Writes a file of the package."""
    path = root / "src" / "nextbuy" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_this_project_is_in_order() -> None:
    assert problems(ROOT) == []


def test_a_tree_in_order_has_no_problem(tree: Path) -> None:
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
def test_a_use_case_imported_by_other_than_its_service_is_caught(tree: Path, line: str, place: str) -> None:
    if "from ." in line and not place.startswith("order/"):
        line = "import nextbuy.order.create_order"
    write(tree, place, f"{line}\ndef fee(): ...")
    assert (
        f"{place}: imports the use case create_order; move what both need to model.py, store.py or a policy"
        in problems(tree)
    )


def test_a_use_case_in_a_group_is_one_too(tree: Path) -> None:
    write(
        tree,
        "order/create_order.py",
        "import nextbuy.order.returns.ask_return, nextbuy.order.fees\ndef create_order(): ...",
    )
    assert problems(tree) == [
        "order/create_order.py: imports the use case ask_return; move what both need to model.py, store.py or a policy"
    ]


def test_a_use_case_without_a_function_of_its_name_is_caught(tree: Path) -> None:
    write(tree, "order/returns/ask_return.py", "def ask_for_return(): ...")
    assert problems(tree) == [
        (
            "order/returns/ask_return.py: holds no function ask_return; a use case is named as its function, "
            "and what is no use case is imported by one"
        )
    ]


def test_a_policy_that_nobody_imports_is_caught(tree: Path) -> None:
    write(tree, "order/discounts.py", "def discount(): ...")
    assert problems(tree) == [
        (
            "order/discounts.py: holds no function discounts; a use case is named as its function, "
            "and what is no use case is imported by one"
        )
    ]


def test_a_service_that_is_only_begun_is_left_alone(tree: Path) -> None:
    write(tree, "seller/reputation.py", "def score(): ...")
    assert problems(tree) == []


@pytest.mark.parametrize(
    ("place", "line", "library", "allowed"),
    [
        ("order/service.py", "from uvicorn import Config", "uvicorn", "kit/http/server.py"),
        ("order/store.py", "import asyncpg", "asyncpg", "kit/storage/, host/"),
        (
            "order/store.py",
            "import redis.asyncio",
            "redis",
            "embedded/, kit/events/bus/redis.py, kit/observability/interactions.py, host/",
        ),
        ("kit/http/app.py", "import httptools", "httptools", "no file"),
    ],
)
def test_a_library_named_elsewhere_is_caught(tree: Path, place: str, line: str, library: str, allowed: str) -> None:
    write(tree, place, line)
    assert f"{place}: names {library}, which only {allowed} may" in problems(tree)


def test_a_service_that_listens_by_itself_is_caught(tree: Path) -> None:
    table = (tree / "src/nextbuy/order/service.py").read_text()
    listening = "SERVICE = Service(name='it', listens=[on(Paid, note)])"
    write(tree, "kafka/service.py", listening)
    assert problems(tree) == []
    write(tree, "order/service.py", f"{table}\n{listening}")
    assert problems(tree) == [
        "order/service.py: listens to the bus, which only the kafka service does; let it call this service"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("async def total(): ...", "order/model.py:1: a model is pure and waits"),
        ("import time", "order/model.py: a model is pure and imports time"),
        (
            "from datetime import datetime\nx = datetime.now()",
            "order/model.py:2: a model is pure and reads a clock; it is handed the time",
        ),
    ],
)
def test_a_model_that_is_not_pure_is_caught(tree: Path, text: str, said: str) -> None:
    write(tree, "order/model.py", text)
    assert problems(tree) == [said]


def test_a_model_of_several_files_is_held_to_the_same(tree: Path) -> None:
    write(tree, "order/model/stock.py", "import random")
    assert problems(tree) == ["order/model/stock.py: a model is pure and imports random"]


@pytest.mark.parametrize("folder", ["src/nextbuy/order", "tests/order", "tools"])
def test_a_file_that_has_grown_too_long_is_caught(tree: Path, folder: str) -> None:
    path = tree / folder / "model.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x = 1\n" * 401)
    assert problems(tree) == [f"{folder}/model.py: has 401 lines, more than 400; split it by subject"]
    path.write_text("x = 1\n" * 400)
    assert problems(tree) == []
