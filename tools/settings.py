"""Generate docs/settings.md from the settings' own descriptions (`--write`), or check that it is up to date."""

import sys
from pathlib import Path
from typing import Final

from nextbuy.kit.config import PREFIX, documented_settings
from tools.tokens import ROOT

PAGE: Final = Path("docs") / "settings.md"
_HEAD: Final = """\
# Settings

All settings are environment variables. `nextbuy settings` prints this list, with `--current` only those that are set.
`make docs` generates this page from `kit/config.py: Settings`.
"""


def page() -> str:
    """Return the text of docs/settings.md."""
    lines, section = [_HEAD], ""
    for setting in documented_settings():
        if setting.section != section:
            section = setting.section
            lines.append(f"## {section}\n\n| Variable | Meaning | Default |\n|---|---|---|")
        lines.append(f"| `{PREFIX}{setting.name}` | {setting.meaning} | {setting.default} |")
    return "\n".join(lines).replace("|\n## ", "|\n\n## ") + "\n"


def problems(root: Path) -> list[str]:
    """Return a sentence if the page of a tree is missing or out of date."""
    path = root / PAGE
    is_current = path.exists() and path.read_text(encoding="utf-8") == page()
    return [] if is_current else [f"{PAGE}: out of date. Run `make docs`."]


def main() -> int:
    """Write the page, or compare it; fail if it is out of date."""
    if "--write" in sys.argv[1:]:
        (ROOT / PAGE).write_text(page(), encoding="utf-8")
    found = problems(ROOT)
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
