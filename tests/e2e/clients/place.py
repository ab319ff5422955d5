"""The environment in which a client runs: an address, a key, private folders, and no network beyond loopback."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.clients.toolbox import Node, find_node

TIMEOUT_SECONDS = 90
_PIPE_SECONDS = 5
MODEL = "sim"


@dataclass(frozen=True)
class Place:
    """An API's address without a path, a key, the commands, and a folder that nobody else uses; `retries` is for those
    who can be told.
    """

    url: str
    key: str
    commands: Path
    folder: Path
    model: str = MODEL
    seconds: int = TIMEOUT_SECONDS
    retries: int = 0

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def prepare(self) -> "Place":
        for folder in (self.home, self.work, self.folder / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        return self


@dataclass(frozen=True)
class Ended:
    """How the run ended; `cut_off` says after how many seconds it had to be."""

    code: int
    stdout: str
    stderr: str
    cut_off: int | None = None

    def __str__(self) -> str:
        return f"exit code {self.code}\n{self.stdout[-4000:]}\n{self.stderr[-4000:]}"


def run(place: Place, command: Sequence[str], environment: Mapping[str, str]) -> Ended:
    """Run it in the place's work folder, to its end or for so many seconds; nothing that it started stays."""
    place.prepare()
    process = subprocess.Popen(
        command,
        cwd=place.work,
        env={**surroundings(place), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=place.seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        end_leftovers(place)
        return Ended(-signal.SIGKILL, *_what_came(process), cut_off=place.seconds)
    end_leftovers(place)
    return Ended(process.returncode, stdout, stderr)


def _what_came(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """Of one that was ended; a daemon with another HOME may still hold its pipes, and is not waited for."""
    try:
        return process.communicate(timeout=_PIPE_SECONDS)
    except subprocess.TimeoutExpired as late:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        process.wait()
        came = [(each or b"").decode(errors="replace") for each in (late.output, late.stderr)]
        return came[0], came[1]


def surroundings(place: Place) -> dict[str, str]:
    """Nothing of the user's own settings; and whatever is not loopback meets a proxy that is not there."""
    nobody = "http://127.0.0.1:9"
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), nobody)
    loopback = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
    folders = {"HOME": str(place.home), "TMPDIR": str(place.folder / "tmp"), "PATH": _path(find_node())}
    rest = {"LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "DO_NOT_TRACK": "1"}
    return folders | rest | proxies | loopback


def _path(node: Node) -> str:
    """The system's commands, and the Node that the clients in JavaScript need."""
    return os.pathsep.join([str(Path(node.node).parent), os.environ.get("PATH", os.defpath)])


def end_leftovers(place: Place) -> None:
    """End daemons: whatever still runs with the place's HOME."""
    mark = f"HOME={place.home}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)
