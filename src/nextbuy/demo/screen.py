"""The output of the demo: an aligned list on a terminal, plain text elsewhere."""

import re
from collections.abc import Sequence
from typing import IO, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nextbuy.demo.diagram import proof
from nextbuy.demo.recorded import Interaction
from nextbuy.demo.specification import Arrow

_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\xa0\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")
_NAME_WIDTH: Final = 9
_RESULT_WIDTH: Final = 16


class Screen:
    """The output of the demo, line by line; control characters in users' texts are removed."""

    def __init__(self, file: IO[str] | None = None) -> None:
        """Write to `file`, or to standard output."""
        self._console = Console(file=file, highlight=False, markup=False, emoji=False)
        self._marks = ("✓", "✗") if self._console.encoding.startswith("utf") else ("+", "x")

    def heading(self, text: str) -> None:
        """Show a heading."""
        self._console.print()
        self._print(text, "bold")

    def step(self, who: str, what: str, status: int, ms: float) -> None:
        """Show a successful step with its status (0: none) and duration."""
        result = f"{status or '':>3} {ms:>8.1f} ms"
        width = max(20, self._console.width - _NAME_WIDTH - _RESULT_WIDTH - 4)
        lines = Text(self._plain(what)).wrap(self._console, width)
        for index, line in enumerate(lines):
            line.rstrip()
            mark, name, last = (" ", "", "") if index else (self._marks[0], who, f" {result}")
            row = Text.assemble(
                (f"{mark} ", "green"), (f"{name:<{_NAME_WIDTH}} ", "cyan"), f"{line.plain:<{width}}", (last, "dim")
            )
            row.rstrip()
            self._console.print(row)

    def note(self, text: str) -> None:
        """Show a detail of the step above."""
        indent = " " * (_NAME_WIDTH + 3)
        for line in Text(self._plain(text)).wrap(self._console, max(20, self._console.width - len(indent))):
            line.rstrip()
            self._console.print(Text(f"{indent}{line.plain}", "dim"))

    def failure(self, text: str) -> None:
        """Show an error."""
        self._print(f"{self._marks[1]} {text}", "bold red")

    def success(self, text: str) -> None:
        """Show the final success."""
        self._console.print()
        self._print(f"{self._marks[0]} {text}", "bold green")

    def mermaid(self, diagram: str) -> None:
        """Show a diagram to copy; its lines are not wrapped."""
        text = f"```mermaid\n{diagram}\n```"
        self._console.print(Text(self._encodable(text)), soft_wrap=True)

    def proofs(self, proofs: Sequence[tuple[Arrow, Interaction | None]]) -> None:
        """Show each arrow of the specification beside the interaction that proves it."""
        table = Table(box=None, pad_edge=False, padding=(0, 1), show_edge=False, header_style="bold")
        table.add_column("")
        table.add_column("Specified", overflow="fold")
        table.add_column("Recorded", overflow="fold")
        for arrow, interaction in proofs:
            style = "green" if interaction else "bold red"
            recorded = proof(interaction) if interaction else "MISSING"
            table.add_row(Text(self._marks[interaction is None], style), self._plain(str(arrow)), self._plain(recorded))
        self._console.print(table)

    def _print(self, text: str, style: str) -> None:
        self._console.print(Text(self._plain(text), style))

    def _plain(self, text: str) -> str:
        return self._encodable(_UNPRINTABLE.sub(" ", text))

    def _encodable(self, text: str) -> str:
        encoding = self._console.encoding
        return text.encode(encoding, "replace").decode(encoding)
