"""What a person at the terminal is told while the marketplace starts, runs and stops."""

import time

from rich.console import Console
from rich.markup import escape

from nextbuy.demo.catalogue import PASSWORD
from nextbuy.kit.config import Settings


class StartupProgress:
    """A line for each step, with how long it took."""

    def __init__(self) -> None:
        """Speak to standard output; without colours where that is no terminal."""
        self.console = Console(highlight=False, soft_wrap=True)
        self._began = time.perf_counter()
        self._last = self._began

    def done(self, what: str) -> None:
        """Say that a step is done."""
        now = time.perf_counter()
        self.console.print(f"  [green]✓[/green] {escape(what)} [dim]({now - self._last:.1f} s)[/dim]")
        self._last = now

    def warn(self, what: str) -> None:
        """Say what is not as it should be; the start goes on."""
        self._last = time.perf_counter()
        self.console.print(f"  [yellow]![/yellow] {escape(what)}")

    def ready(self, settings: Settings, *, demo: bool) -> None:
        """Say what to open, who to be, and how to stop."""
        say = self.console.print
        url = settings.public_url
        say(f"\n[bold]NextBuy is ready[/bold] [dim]({time.perf_counter() - self._began:.1f} s)[/dim]\n")
        say(f"  the shop        [cyan]{url}/[/cyan]")
        say(f"  the API         [cyan]{url}/docs[/cyan]")
        say(f"  health          [cyan]{url}/health/ready[/cyan]")
        if demo:
            say(f"  demo logins     maya@demo.nextbuy.test buys, admin@demo.nextbuy.test decides; password {PASSWORD}")
            say("  test card       4242 4242 4242 4242 pays, 4000 0000 0000 0002 is declined")
            say("  see it work     [cyan]make demo[/cyan] in another terminal")
        else:
            say("  the first admin [cyan]nextbuy create-admin EMAIL[/cyan]")
        if not settings.rate_limits:
            say("  [yellow]rate limits are off (NEXTBUY_RATE_LIMITS)[/yellow]")
        say(f"  log             {settings.data}/nextbuy.log")
        say("  stop            Ctrl-C\n")
