"""Runs before any program whose PYTHONPATH has this folder: its clock is the file that SHARED_CLOCK names."""

import os
from pathlib import Path

if "SHARED_CLOCK" in os.environ:
    from tests.browser.shared_clock import SharedClock

    SharedClock(Path(os.environ["SHARED_CLOCK"])).install()
