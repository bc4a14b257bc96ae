"""Each import contract is violated once, and import-linter reports the violation."""

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
    """An importable tree with the packages of this project, all empty, and its import contracts."""
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
    """Run import-linter on a tree; return its exit code and its output on one line."""
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=package.parent,
        env={"PYTHONPATH": str(package.parent), "PATH": "", "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr)


def test_allowed_imports_pass(tree: Path) -> None:
    (tree / "order" / "service.py").write_text(
        "import nextbuy.kit.http.app, nextbuy.contracts.product, nextbuy.order.store"
    )
    (tree / "kit" / "http" / "app.py").write_text("import nextbuy.contracts.errors, nextbuy.contracts.message")
    code, output = lint(tree)
    assert code == 0, output
    assert "8 kept, 0 broken" in output


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        pytest.param("order/service.py", "import nextbuy.product.stock", "no service imports another", id="sideways"),
        pytest.param("web/__init__.py", "import nextbuy.order.store", "no service imports another", id="a page"),
        pytest.param("simulator/__init__.py", "import nextbuy.order", "no service imports another", id="the simulator"),
        pytest.param("gateway/__init__.py", "import nextbuy.auth", "no service imports another", id="the gateway"),
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
            "kit/http/app.py", "import nextbuy.contracts.order", "The kit imports the base types", id="the kit, words"
        ),
        pytest.param(
            "kit/http/app.py", "import nextbuy.contracts.registry", "The kit imports the base types", id="the kit, all"
        ),
        pytest.param(
            "contracts/message.py", "import nextbuy.contracts.order", "The base types of contracts", id="grammar"
        ),
        pytest.param("kit/http/app.py", "import nextbuy.kit.rpc.calls", "Inside the kit", id="the kit, rooms"),
        pytest.param("contracts/order.py", "import asyncpg", "Contracts import no I/O", id="a contract, I/O"),
        pytest.param(
            "embedded/__init__.py", "import nextbuy.kit", "The embedded engines import nothing", id="the engines"
        ),
        pytest.param("order/model.py", "import nextbuy.order.store", "A model is pure", id="a model, SQL"),
        pytest.param("order/model.py", "import asyncio", "A model is pure", id="a model, waiting"),
    ],
)
def test_forbidden_import_breaks_its_contract(tree: Path, file: str, line: str, contract: str) -> None:
    (tree / file).write_text(line)
    code, output = lint(tree)
    assert code == 1
    broken = output.partition("Broken contracts")[2]
    assert contract in broken
    importer = "nextbuy." + file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    imported = line.removeprefix("import ")
    assert re.search(rf"{re.escape(importer)} -> {re.escape(imported)}", broken), broken


def test_cycle_is_found(tree: Path) -> None:
    (tree / "order" / "deps.py").write_text("import nextbuy.order.service")
    (tree / "order" / "service.py").write_text("import nextbuy.order.deps")
    code, output = lint(tree)
    assert code == 1
    assert "No cycles anywhere BROKEN" in output
    assert "kept, 1 broken" in output


@pytest.mark.parametrize("place", ["shipping.py", "contracts/shipping.py"])
def test_new_module_needs_a_layer(tree: Path, place: str) -> None:
    (tree / place).touch()
    code, output = lint(tree)
    assert code == 1
    assert re.search(r"shipping", output)
    assert "exhaustive" in output.lower() or "not listed" in output.lower(), output
