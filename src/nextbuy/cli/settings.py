"""`nextbuy settings`: the variables that configure a process."""

import os
import re

import click

from nextbuy.kit.config import PREFIX, documented_settings
from nextbuy.kit.config_values import Setting


@click.command()
@click.option("--current", is_flag=True, help="List only settings that are set here, without their values.")
def settings(*, current: bool) -> None:
    """List all settings with their meaning and default. Settings are environment variables."""
    shown = [setting for setting in documented_settings() if not current or _is_set(setting)]
    width = max((len(setting.name) for setting in shown), default=0) + len(PREFIX)
    section = ""
    for setting in shown:
        if setting.section != section:
            section = setting.section
            click.secho(section, bold=True)
        line = f"  {PREFIX}{setting.name}".ljust(width + 4) + f"{setting.meaning} Default: {setting.default}"
        click.echo(line.replace("`", ""))


def _is_set(setting: Setting) -> bool:
    pattern = re.compile(PREFIX + setting.name.replace("<SERVICE>", "[A-Z]+"))
    documented = {PREFIX + other.name for other in documented_settings()} - {PREFIX + setting.name}
    return any(value and pattern.fullmatch(name) for name, value in os.environ.items() if name not in documented)
