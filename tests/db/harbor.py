"""A HOME for the embedded PostgreSQL, and actors: other processes that use it, as root or as an ordinary user."""

import asyncio
import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import asyncpg

from tokenharbor.db.cluster import PostgresCluster
from tokenharbor.db.embedded import postmaster_pid

AM_ROOT = os.geteuid() == 0
ROLES = ("root", "ordinary") if AM_ROOT else ("ordinary",)
NOBODY = pwd.getpwnam("nobody")


class Actor:
    """A process that uses the embedded PostgreSQL: a server, or a command."""

    def __init__(self, home: Path, kind: str, role: str) -> None:
        drop = [str(NOBODY.pw_uid), str(NOBODY.pw_gid)] if AM_ROOT and role == "ordinary" else []
        program = str(Path(__file__).with_name("actor.py"))
        self.process = subprocess.Popen(
            [sys.executable, program, str(home), kind, *drop],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def entered(self) -> Self:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.url: str = json.loads(line)["url"]
        self.pid: int = json.loads(line)["pid"]
        return self

    def leave(self) -> None:
        _, said = self.process.communicate("leave\n", timeout=60)
        assert self.process.returncode == 0, said

    def refusal(self) -> str:
        """The message of an actor that could not enter."""
        said, trouble = self.process.communicate(timeout=60)
        assert self.process.returncode == 1, said + trouble
        return trouble.strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


class Harbor:
    """A HOME, who uses it, and what runs in it."""

    def __init__(self, home: Path, role: str) -> None:
        self.home = home
        self.role = role
        self.cluster = PostgresCluster(home / "postgres")
        self._actors: list[Actor] = []

    def start(self, kind: str) -> Actor:
        actor = Actor(self.home, kind, self.role)
        self._actors.append(actor)
        return actor

    def server(self) -> Actor:
        return self.start("server").entered()

    def command(self) -> Actor:
        return self.start("command").entered()

    def running(self) -> int | None:
        return postmaster_pid(self.cluster)

    def server_processes(self) -> list[int]:
        """Every process that works in the data folder."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.path.samestat((folder / "cwd").stat(), self.cluster.data.stat()):
                    found.append(int(folder.name))
        return found

    def clear(self) -> None:
        for actor in self._actors:
            if actor.process.poll() is None:
                actor.kill()
            if hasattr(actor, "url"):
                shutil.rmtree(actor.url.partition("?host=")[2], ignore_errors=True)
        for pid in self.server_processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def sql(url: str, *statements: str) -> Any:
    """Runs the statements on a connection of their own; the first value of the last."""

    async def run() -> Any:
        connection = await asyncpg.connect(url, timeout=30)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())
