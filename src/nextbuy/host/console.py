"""Start-up messages of `nextbuy up` on the terminal."""

import time

from rich.console import Console
from rich.markup import escape

from nextbuy.demo.catalogue import PASSWORD
from nextbuy.host.log import LOG_NAME
from nextbuy.kit.config import Settings


class StartupProgress:
    """The output of a start: a line per step with its duration, then the URLs."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._started = time.perf_counter()
        self._last = self._started

    def done(self, step: str) -> None:
        """Report a finished step."""
        now = time.perf_counter()
        self.console.print(f"  [green]✓[/green] {escape(step)} [dim]({now - self._last:.1f} s)[/dim]")
        self._last = now

    def warn(self, problem: str) -> None:
        """Report a problem that does not stop the start."""
        self._last = time.perf_counter()
        self.console.print(f"  [yellow]![/yellow] {escape(problem)}")

    def ready(self, settings: Settings, *, demo: bool) -> None:
        """Print the URLs, the logins, and how to stop."""
        line = self.console.print
        url = settings.public_url
        line(f"\n[bold]NextBuy is ready[/bold] [dim]({time.perf_counter() - self._started:.1f} s)[/dim]\n")
        line(f"  marketplace  [cyan]{url}/[/cyan]")
        line(f"  API          [cyan]{url}/docs[/cyan]")
        line(f"  health       [cyan]{url}/health/ready[/cyan]")
        if demo:
            line("  demo logins  maya@demo.nextbuy.test (buyer), ines@demo.nextbuy.test (seller),")
            line(f"               admin@demo.nextbuy.test (admin); password {PASSWORD}")
            line("  test cards   4242 4242 4242 4242 pays, 4000 0000 0000 0002 is declined")
            line(f"  try it       run [cyan]make demo PORT={settings.port}[/cyan] in another terminal")
        else:
            line("  first admin  run [cyan]nextbuy create-admin EMAIL[/cyan] in another terminal")
        if not settings.smtp.host:
            line(f"  e-mails      not sent; admins read them, with their links, at [cyan]{url}/mails[/cyan]")
        if not settings.rate_limits:
            line("  [yellow]warning      rate limits are off (NEXTBUY_RATE_LIMITS)[/yellow]")
        line(f"  log          {settings.data / LOG_NAME}")
        line("  stop         Ctrl-C\n")
