"""The device of a login session in plain words, from the User-Agent of its login.

A browser names many others for compatibility, so the first match in a fixed order wins. It helps a person to recognise
their own sessions, and nothing is decided by it.
"""

from typing import Final

_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)
_READ: Final = 500
"""Characters of a User-Agent that are read."""


def device_name(user_agent: str) -> str:
    """Return the browser and the system, such as "Firefox on Windows"; "An app" for another program."""
    text = user_agent[:_READ]
    browser = next((name for mark, name in _BROWSERS if mark in text), "")
    system = next((name for mark, name in _SYSTEMS if mark in text), "")
    if not browser:
        return f"An app on {system}" if system else "An app"
    return f"{browser} on {system}" if system else browser
