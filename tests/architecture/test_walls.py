"""Each wall between the modules is run into once, and must say what was hit."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = [
    "cli",
    "host",
    "demo",
    "embedded",
    "gateway",
    "auth",
    "product",
    "seller",
    "order",
    "admin",
    "kafka",
    "simulator",
    "web",
    "kit",
    "contracts",
]
FILES = [
    "__init__",
    "__main__",
    "contracts/message",
    "contracts/errors",
    "contracts/values",
    "contracts/order",
    "contracts/product",
    "contracts/registry",
    "kit/http/app",
    "kit/rpc/calls",
    "order/model",
    "order/store",
    "order/service",
    "order/deps",
    "product/stock",
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with every module of the real one, all empty, under the real rules."""
    package = tmp_path / "nextbuy"
    for name in NAMES:
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").touch()
    for file in FILES:
        path = package / f"{file}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.touch()
    (tmp_path / ".importlinter").write_text((ROOT / ".importlinter").read_text())
    return package


def lint(package: Path) -> tuple[int, str]:
    """The exit code of import-linter on a tree, and what it says, on one line."""
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=package.parent,
        env={"PYTHONPATH": str(package.parent), "PATH": "", "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr)


def test_a_tree_within_its_walls_passes(tree: Path) -> None:
    (tree / "order" / "service.py").write_text(
        "import nextbuy.kit.http.app, nextbuy.contracts.product, nextbuy.order.store"
    )
    (tree / "kit" / "http" / "app.py").write_text("import nextbuy.contracts.errors, nextbuy.contracts.message")
    code, said = lint(tree)
    assert code == 0, said
    assert "8 kept, 0 broken" in said


@pytest.mark.parametrize(
    ("file", "line", "wall"),
    [
        pytest.param("order/service.py", "import nextbuy.product.stock", "no service knows another", id="sideways"),
        pytest.param("web/__init__.py", "import nextbuy.order.store", "no service knows another", id="a page"),
        pytest.param("simulator/__init__.py", "import nextbuy.order", "no service knows another", id="the simulator"),
        pytest.param("gateway/__init__.py", "import nextbuy.auth", "no service knows another", id="the gateway"),
        pytest.param("order/store.py", "import nextbuy.host", "__main__ > cli > host", id="upwards"),
        pytest.param("host/__init__.py", "import nextbuy.cli", "__main__ > cli > host", id="the host"),
        pytest.param("demo/__init__.py", "import nextbuy.host", "__main__ > cli > host", id="the demo"),
        pytest.param(
            "kit/http/app.py", "import nextbuy.order.service", "__main__ > cli > host", id="the kit, a service"
        ),
        pytest.param(
            "contracts/order.py", "import nextbuy.kit.http.app", "__main__ > cli > host", id="a contract, the kit"
        ),
        pytest.param(
            "kit/http/app.py", "import nextbuy.contracts.order", "The kit knows the grammar", id="the kit, words"
        ),
        pytest.param(
            "kit/http/app.py", "import nextbuy.contracts.registry", "The kit knows the grammar", id="the kit, all"
        ),
        pytest.param(
            "contracts/message.py", "import nextbuy.contracts.order", "The grammar of contracts", id="grammar"
        ),
        pytest.param("kit/http/app.py", "import nextbuy.kit.rpc.calls", "Inside the kit", id="the kit, rooms"),
        pytest.param("contracts/order.py", "import asyncpg", "Contracts are words: no I/O", id="a contract, I/O"),
        pytest.param("embedded/__init__.py", "import nextbuy.kit", "The engines know nothing", id="the engines"),
        pytest.param("order/model.py", "import nextbuy.order.store", "A model is pure", id="a model, SQL"),
        pytest.param("order/model.py", "import asyncio", "A model is pure", id="a model, waiting"),
    ],
)
def test_an_import_through_a_wall_is_caught_by_that_wall(tree: Path, file: str, line: str, wall: str) -> None:
    (tree / file).write_text(line)
    code, said = lint(tree)
    assert code == 1
    broken = said.partition("Broken contracts")[2]
    assert wall in broken
    importer = "nextbuy." + file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    imported = line.removeprefix("import ")
    assert re.search(rf"{re.escape(importer)} -> {re.escape(imported)}", broken), broken


def test_a_cycle_is_caught(tree: Path) -> None:
    (tree / "order" / "deps.py").write_text("import nextbuy.order.service")
    (tree / "order" / "service.py").write_text("import nextbuy.order.deps")
    code, said = lint(tree)
    assert code == 1
    assert "No cycles anywhere BROKEN" in said
    assert "kept, 1 broken" in said


@pytest.mark.parametrize("place", ["shipping.py", "contracts/shipping.py"])
def test_a_new_module_must_be_given_a_place(tree: Path, place: str) -> None:
    (tree / place).touch()
    code, said = lint(tree)
    assert code == 1
    assert re.search(r"shipping", said)
    assert "exhaustive" in said.lower() or "not listed" in said.lower(), said
