"""Where the dashboard's built files are: a link to those of the checkout, or the files of a wheel."""

from pathlib import Path
from typing import Final

import tokenharbor

DASHBOARD_FOLDER: Final = Path(tokenharbor.__file__).with_name("dashboard")


def has_dashboard() -> bool:
    """Whether it is built."""
    return (DASHBOARD_FOLDER / "index.html").is_file()
