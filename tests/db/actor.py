"""A process that uses the embedded PostgreSQL until it is asked to leave: HOME server|command [UID GID]."""

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path

import uvloop

from tokenharbor.db.embedded import EmbeddedPostgres, postmaster_pid
from tokenharbor.db.programs import PostgresPrograms, find_programs
from tokenharbor.kernel.errors import Misconfigured


def become_ordinary(uid: int, gid: int) -> PostgresPrograms:
    programs = find_programs()  # root's copies, which everybody can read
    asyncio.run(asyncio.to_thread(int))  # reads the modules that asyncio reads late
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    return PostgresPrograms(programs.folder, None)


async def act(home: Path, kind: str, programs: PostgresPrograms | None) -> None:
    find = find_programs if programs is None else lambda: programs
    async with EmbeddedPostgres(home, lasting=kind == "server", programs=find) as postgres:
        watch = asyncio.create_task(postgres.supervise()) if kind == "server" else None
        print(json.dumps({"url": postgres.url, "pid": postmaster_pid(postgres.cluster)}), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        if watch is not None:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch


def main() -> None:
    home, kind, *user = sys.argv[1:]
    programs = become_ordinary(*map(int, user)) if user else None
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop if kind == "server" else None) as runner:
            runner.run(act(Path(home), kind, programs))
    except Misconfigured as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
