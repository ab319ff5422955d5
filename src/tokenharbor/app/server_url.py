"""`HOME/server.url`: the URL where this HOME's server listens, for commands that print links to it."""

from pathlib import Path
from typing import Final

from tokenharbor.app.settings import Settings

_FILE: Final = "server.url"


def write_server_url(home: Path, url: str) -> None:
    """Write the URL to HOME. Raises OSError."""
    half = home / f"{_FILE}.new"
    half.write_text(f"{url}\n")
    half.replace(home / _FILE)


def command_browser_url(settings: Settings) -> str:
    """Return `server.public_url`, else the URL where the server last listened, else the configured host and port."""
    try:
        listens_at = (settings.home / _FILE).read_text().strip()
    except FileNotFoundError:
        listens_at = ""
    return settings.server.public_url or name_loopback(listens_at) or settings.server.browser_url


def name_loopback(url: str) -> str:
    """Replace 127.0.0.1 by localhost: passkeys need a name, and cookies belong to one host."""
    return url.replace("//127.0.0.1:", "//localhost:")
