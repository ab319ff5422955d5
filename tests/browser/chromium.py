"""Debian's Chromium: installed where it is not there, one for each process of tests."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright

_PATH = f"{os.defpath}:/usr/local/bin"
_INSTALL = "apt-get update -qq; apt-get install -y -qq --no-install-recommends chromium"


def find_chromium() -> str:
    """The program; as root it is installed if it is not there. Raises FileNotFoundError with one line."""
    with Path(tempfile.gettempdir(), "tokenharbor-chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes of tests begin at once
        found = shutil.which("chromium", path=_PATH)
        if found is None and os.geteuid() == 0 and shutil.which("apt-get") is not None:
            subprocess.run(["/bin/sh", "-c", _INSTALL], check=False, capture_output=True)
            found = shutil.which("chromium", path=_PATH)
    if found is None:
        raise FileNotFoundError("chromium is not there: apt-get install chromium")
    return found


@asynccontextmanager
async def running_chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium())
        try:
            yield browser
        finally:
            await browser.close()


def main() -> int:
    try:
        find_chromium()
    except FileNotFoundError as error:
        print(f"browser: {error}", file=sys.stderr)
        return 1
    print("browser: installed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
