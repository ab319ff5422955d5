"""A PostgreSQL of the tests: made by the programs of the embedded one, on a unix socket, killed and started at will."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from tokenharbor.db.programs import PostgresPrograms, find_programs

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "fsync": "off",  # what a test writes need not survive the machine
    "full_page_writes": "off",
    "max_wal_size": "64MB",  # it may lie in memory
    "min_wal_size": "32MB",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "jit": "off",
    "io_method": "sync",
    "max_logical_replication_workers": "0",
    "timezone": "UTC",
    "log_min_messages": "fatal",
}
_IN_MEMORY = Path("/dev/shm")  # noqa: S108  in a folder of its own
_ROOM_BYTES = 2 << 30  # more than the servers of all workers need
_INITDB = ("-U", "tokenharbor", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")


@dataclass
class PostgresServer:
    """A cluster in a folder of its own, running."""

    root: Path
    settings: Mapping[str, str]
    programs: PostgresPrograms = field(default_factory=find_programs)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def socket(self) -> Path:
        return self.root / "s" / ".s.PGSQL.5432"

    @property
    def url(self) -> str:
        """With `%s` where the database's name goes."""
        return f"postgresql://tokenharbor@/%s?host={self.root / 's'}"

    def make(self) -> None:
        self.root.chmod(0o711)
        for folder in (self.data, self.socket.parent):
            folder.mkdir()
            self.programs.give_to_user(folder)
        assert self._run("initdb", "-D", str(self.data), *_INITDB).wait(60) == 0, self.log

    def start(self) -> None:
        """Until it takes connections; after a death it recovers first."""
        words = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        self.process = self._run("postgres", "-D", str(self.data), "-k", str(self.socket.parent), *words)
        while "ready" not in _text(self.data / "postmaster.pid"):
            assert self.process.poll() is None, self.log
            time.sleep(0.01)

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)

    def kill(self) -> None:
        """Every process of it, without a word, as a machine dies."""
        assert self.process is not None
        while pids := self.processes():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.poll()  # or the dead one stays in sight
        self.process.wait(30)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def processes(self) -> Sequence[int]:
        """They work in its data folder."""
        return processes_in(self.data)

    @property
    def log(self) -> str:
        return _text(self.root / "log")

    def _run(self, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
        with (self.root / "log").open("ab") as output:
            return self.programs.start(name, *arguments, cwd=self.data, output=output.fileno())


def new_database_name(purpose: str) -> str:
    """Never the same twice: a worker that is given the rest of another's module sets its fixtures up once more."""
    return f"{purpose}_{secrets.token_hex(4)}"


def create_database(server_url: str, purpose: str, template: str = "template1") -> str:
    """A new database of a server, a copy of its template; its URL."""
    name = new_database_name(purpose)

    async def create() -> None:
        conn = await asyncpg.connect(server_url % "postgres")
        try:
            await conn.execute(f"create database {name} template {template} strategy file_copy")
        finally:
            await conn.close()

    with ThreadPoolExecutor(1) as thread:  # where a loop may run already
        thread.submit(asyncio.run, create()).result()
    return server_url % name


def name_of(database_url: str) -> str:
    return urlsplit(database_url).path.removeprefix("/")


def processes_in(folder: Path) -> Sequence[int]:
    """Whoever has it as its working folder."""
    place, found = folder.stat(), []
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.path.samestat((each / "cwd").stat(), place):
                found.append(int(each.name))
    return found


@contextlib.contextmanager
def running_postgres(**settings: str) -> Iterator[PostgresServer]:
    """A server for as long as the `with` lasts; `settings` over the usual ones."""
    server = PostgresServer(Path(tempfile.mkdtemp(prefix="th-", dir=_folder_for_data())), {**SETTINGS, **settings})
    try:
        server.make()
        server.start()
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.stop()
        shutil.rmtree(server.root)


def _folder_for_data() -> Path | None:
    """In memory, where there is room: a database has 700 files, and on a disk to make and to remove them takes nine
    tenths of its CPU. None is the usual one.
    """
    has_room = _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free > _ROOM_BYTES
    return _IN_MEMORY if has_room and os.access(_IN_MEMORY, os.W_OK) else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
