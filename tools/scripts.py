"""Check the scripts of pages: format and types by deno, rules by oxlint; both are programs in wheels.

Each module starts with `// @ts-check` and has types in JSDoc. The classic scripts of the API browser, which share one
global, are formatted and linted. `--write` formats all.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.tokens import ROOT, files

MODULES: Final = "src/nextbuy/web/static"
CLASSIC: Final = "src/nextbuy/gateway/pages"
_VENDORED: Final = "vendor"
_TYPED: Final = "// @ts-check\n"
_TOOLS: Final = Path(__file__).parent
_BIN: Final = Path(sys.executable).parent
_ENVIRONMENT: Final = {"NO_COLOR": "1", "DENO_DIR": str(ROOT / ".venv" / "deno"), "DENO_NO_UPDATE_CHECK": "1"}


def problems(root: Path) -> str:
    """Return what is wrong with the scripts of a tree, as their checkers print it."""
    modules, classic = _scripts(root, MODULES), _scripts(root, CLASSIC)
    untyped = [path for path in modules if not (root / path).read_text(encoding="utf-8").startswith(_TYPED)]
    found = [f"{path}: does not start with `{_TYPED.strip()}`." for path in untyped]
    deno = ("--config", str(_TOOLS / "deno.json"))
    found += [
        _run(root, "deno", "check", *deno, "--no-remote", "--quiet", *modules),
        _run(root, "deno", "fmt", *deno, "--check", "--quiet", *modules, *classic),
        _run(root, "oxlint", "--config", str(_TOOLS / "oxlint.json"), "--quiet", *modules, *classic),
    ]
    return "\n".join(text for text in found if text)


def _scripts(root: Path, folder: str) -> list[str]:
    paths = (path.relative_to(root) for path in files(root, (folder,), ".js"))
    return [path.as_posix() for path in paths if _VENDORED not in path.parts]


def _run(root: Path, program: str, *arguments: str) -> str:
    """Run a checker in a tree; return what it prints if it fails."""
    environment = os.environ | _ENVIRONMENT
    done = subprocess.run(
        [_BIN / program, *arguments], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip()


def main() -> int:
    """Format the scripts, or check them; fail if something is wrong."""
    if "--write" in sys.argv[1:]:
        scripts = _scripts(ROOT, MODULES) + _scripts(ROOT, CLASSIC)
        print(_run(ROOT, "deno", "fmt", "--config", str(_TOOLS / "deno.json"), "--quiet", *scripts), end="")
        return 0
    found = problems(ROOT)
    print(found, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
