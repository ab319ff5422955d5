"""The folder of the dashboard's built files: a link to those of the checkout, or the files of a wheel."""

from pathlib import Path
from typing import Final

import tokenharbor

DASHBOARD_FOLDER: Final = Path(tokenharbor.__file__).with_name("dashboard")
_INDEX: Final = "index.html"


def has_dashboard() -> bool:
    """Return whether the dashboard is built."""
    return (DASHBOARD_FOLDER / _INDEX).is_file()


def why_no_dashboard(folder: Path = DASHBOARD_FOLDER) -> str:
    """Return the reason for the front page why the dashboard is not built; "" if it is built."""
    if (folder / _INDEX).is_file():
        return ""
    failure = folder.resolve().with_suffix(".failed")  # scripts/dashboard.sh writes it
    reason = f": {failure.read_text('utf-8').strip()}" if failure.is_file() else ""
    return f"The dashboard is not built{reason}. The APIs work without it. `make run` tries to build it again."
