"""`HOME/server.url`: where this HOME's server listens, for commands that print an address of it."""

from pathlib import Path
from typing import Final

from tokenharbor.app.settings import Settings

_FILE: Final = "server.url"


def write_server_url(home: Path, url: str) -> None:
    """Raises OSError."""
    half = home / f"{_FILE}.new"
    half.write_text(f"{url}\n")
    half.replace(home / _FILE)


def command_browser_url(settings: Settings) -> str:
    """`server.public_url`; else where the server listens, or did last; else the host and port that are configured."""
    try:
        listens_at = (settings.home / _FILE).read_text().strip()
    except FileNotFoundError:
        listens_at = ""
    return settings.server.public_url or name_loopback(listens_at) or settings.server.browser_url


def name_loopback(url: str) -> str:
    """With the name that browsers treat as safe: passkeys need a name, and a cookie is of one host."""
    return url.replace("//127.0.0.1:", "//localhost:")
