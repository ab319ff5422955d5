"""The embedded PostgreSQL under every kind of HOME and user, with other users, and after every kind of death."""

import asyncio
import fcntl
import os
import shutil
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.db.harbor import AM_ROOT, ROLES, Harbor, sql

from tokenharbor.db import embedded
from tokenharbor.db.cluster import make_socket_folder
from tokenharbor.db.embedded import EmbeddedPostgres
from tokenharbor.db.programs import PostgresPrograms, copy_programs
from tokenharbor.kernel.errors import Misconfigured

pytestmark = pytest.mark.slow

MakeHarbor = Callable[..., Harbor]
NAMES = ("home", "a home, with 'blanks' and ümlauts", "/".join(["a-very-long-name"] * 9))


def wait_for(what: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


@pytest.fixture(params=ROLES)
def harbor(request: pytest.FixtureRequest, make_harbor: MakeHarbor) -> Harbor:
    return make_harbor(request.param)


@pytest.fixture
def any_harbor(make_harbor: MakeHarbor) -> Harbor:
    """For what does not depend on the user."""
    return make_harbor(ROLES[0])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", NAMES)
def test_any_path_and_any_user_keep_their_data(make_harbor: MakeHarbor, role: str, name: str) -> None:
    harbor = make_harbor(role, name)
    first = harbor.server()
    sql(first.url, "create table kept (n int)", "insert into kept values (7) returning n")
    assert Path(f"/proc/{first.pid}").stat().st_uid != 0
    first.leave()
    assert harbor.running() is None
    second = harbor.server()
    assert sql(second.url, "select n from kept") == 7
    second.leave()


def test_nobody_else_can_reach_it(harbor: Harbor) -> None:
    server = harbor.server()
    assert sql(server.url, "show listen_addresses") == ""
    sockets = Path(sql(server.url, "show unix_socket_directories"))
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert stat.S_IMODE(harbor.cluster.root.stat().st_mode) == 0o700


def test_what_is_committed_is_on_disk(any_harbor: Harbor) -> None:
    server = any_harbor.server()
    shown = [sql(server.url, f"show {name}") for name in ("fsync", "full_page_writes", "synchronous_commit")]
    assert shown == ["on", "on", "on"]


def test_vectors_are_there(any_harbor: Harbor) -> None:
    server = any_harbor.server()
    assert sql(server.url, "create extension vector", "select '[3,4]'::vector <-> '[0,0]'") == 5


def test_a_killed_servers_postgres_is_adopted(harbor: Harbor) -> None:
    first = harbor.server()
    first.kill()
    assert harbor.running() == first.pid
    second = harbor.server()
    assert (second.pid, second.url) == (first.pid, first.url)
    second.leave()
    assert harbor.running() is None


def test_after_a_kill_of_everything_what_was_committed_is_there(harbor: Harbor) -> None:
    first = harbor.server()
    sql(first.url, "create table kept (n int)", "insert into kept values (7) returning n")
    first.kill()
    for pid in harbor.server_processes():
        os.kill(pid, signal.SIGKILL)
    assert harbor.cluster.postmaster.exists()
    second = harbor.server()
    assert second.pid != first.pid
    assert sql(second.url, "select n from kept") == 7


def test_a_stale_pid_that_is_now_somebody_elses_does_not_hinder(harbor: Harbor) -> None:
    harbor.server().leave()
    stale = f"{os.getpid()}\n/proc/self/cwd\n1\n5432\n/nowhere\n\n 1 1\nready\n"
    harbor.cluster.postmaster.write_text(stale)
    server = harbor.server()
    assert sql(server.url, "select 1") == 1


def test_a_half_made_cluster_is_made_again(any_harbor: Harbor) -> None:
    any_harbor.server().leave()
    any_harbor.cluster.data.rename(any_harbor.cluster.root / "data.half")
    (any_harbor.cluster.root / "data.half" / "PG_VERSION").unlink()
    server = any_harbor.server()
    assert sql(server.url, "select 1") == 1


def test_a_command_beside_a_server_leaves_it_running(harbor: Harbor) -> None:
    server = harbor.server()
    command = harbor.command()
    assert command.pid == server.pid
    command.leave()
    assert harbor.running() == server.pid
    assert sql(server.url, "select 1") == 1


def test_a_command_alone_leaves_nothing_running(harbor: Harbor) -> None:
    harbor.command().leave()
    assert harbor.server_processes() == []


def test_the_last_of_several_commands_stops_it(any_harbor: Harbor) -> None:
    first, second = any_harbor.command(), any_harbor.command()
    first.leave()
    assert sql(second.url, "select 1") == 1
    second.leave()
    assert any_harbor.server_processes() == []


def test_a_command_that_was_killed_is_not_waited_for(any_harbor: Harbor) -> None:
    first, second = any_harbor.command(), any_harbor.command()
    first.kill()
    second.leave()
    assert any_harbor.server_processes() == []


def test_a_server_that_leaves_does_not_cut_off_a_command(any_harbor: Harbor) -> None:
    server = any_harbor.server()
    command = any_harbor.command()
    server.leave()
    assert sql(command.url, "select 1") == 1
    command.leave()
    assert any_harbor.server_processes() == []


def test_a_server_that_joins_a_command_keeps_what_the_command_started(any_harbor: Harbor) -> None:
    command = any_harbor.command()
    server = any_harbor.server()
    command.leave()
    assert any_harbor.running() == server.pid
    server.kill()
    any_harbor.command().leave()
    assert any_harbor.running() == server.pid


def test_a_command_leaves_what_a_killed_server_left(any_harbor: Harbor) -> None:
    server = any_harbor.server()
    server.kill()
    any_harbor.command().leave()
    assert any_harbor.running() == server.pid


def test_many_at_once_share_one(any_harbor: Harbor) -> None:
    actors = [any_harbor.start("command") for _ in range(4)]
    assert len({actor.entered().pid for actor in actors}) == 1
    for actor in actors:
        actor.leave()
    assert any_harbor.server_processes() == []


def test_postgres_that_dies_is_started_again(harbor: Harbor) -> None:
    server = harbor.server()
    sql(server.url, "create table kept (n int)", "insert into kept values (7) returning n")
    os.kill(server.pid, signal.SIGKILL)
    wait_for(lambda: harbor.running() not in (None, server.pid))
    wait_for(lambda: "ready" in harbor.cluster.postmaster.read_text())
    assert sql(server.url, "select n from kept") == 7
    server.leave()
    assert harbor.server_processes() == []


def test_another_versions_data_is_refused(any_harbor: Harbor) -> None:
    any_harbor.server().leave()
    (any_harbor.cluster.data / "PG_VERSION").write_text("17\n")
    refusal = any_harbor.start("server").refusal()
    assert "PostgreSQL 17" in refusal
    assert len(refusal.splitlines()) == 1


def test_a_postgres_that_cannot_start_says_why(any_harbor: Harbor) -> None:
    any_harbor.server().leave()
    (any_harbor.cluster.data / "postgresql.auto.conf").write_text("shared_buffers = 'plenty'\n")
    refusal = any_harbor.start("server").refusal()
    assert "does not start" in refusal
    assert str(any_harbor.cluster.log) in refusal
    assert len(refusal.splitlines()) == 1


def test_a_home_that_is_a_file_is_refused(any_harbor: Harbor) -> None:
    any_harbor.home.rmdir()
    any_harbor.home.write_text("")
    assert f"{any_harbor.cluster.root}: " in any_harbor.start("command").refusal()


def test_data_in_use_where_we_cannot_see_is_refused(any_harbor: Harbor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server in another container has no pid here, but its lock is the file system's."""
    any_harbor.server().leave()
    monkeypatch.setattr(embedded, "_EXIT_SECONDS", 0.1)

    async def enter() -> None:
        async with EmbeddedPostgres(any_harbor.home, lasting=True):
            pass

    with any_harbor.cluster.alive.open("w") as elsewhere:
        fcntl.flock(elsewhere, fcntl.LOCK_EX)
        with pytest.raises(Misconfigured, match="another container"):
            asyncio.run(enter())
    assert any_harbor.server_processes() == []


def test_a_start_that_is_interrupted_leaves_nothing_running(any_harbor: Harbor) -> None:

    async def enter_and_give_up() -> None:
        entering = asyncio.create_task(EmbeddedPostgres(any_harbor.home, lasting=True).__aenter__())
        while not any_harbor.server_processes():  # noqa: ASYNC110  it is another process that we wait for
            await asyncio.sleep(0.001)
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering

    any_harbor.server().leave()
    asyncio.run(enter_and_give_up())
    assert any_harbor.server_processes() == []


def test_a_socket_folder_that_somebody_else_laid_out_is_refused(tmp_path: Path) -> None:
    ordinary = PostgresPrograms(tmp_path, None)
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "treasure").touch()
    folder = tmp_path / "sockets"
    folder.symlink_to(trap)
    with pytest.raises(Misconfigured, match="sockets"):
        make_socket_folder(folder, ordinary)
    assert (trap / "treasure").exists()


def test_settings_are_not_written_through_a_link(any_harbor: Harbor) -> None:
    any_harbor.server().leave()
    precious = any_harbor.home / "precious"
    precious.write_text("keep me")
    for name in ("postgresql.conf", "postgresql.conf.new"):
        (any_harbor.cluster.data / name).unlink(missing_ok=True)
        (any_harbor.cluster.data / name).symlink_to(precious)
    any_harbor.server().leave()
    assert precious.read_text() == "keep me"


def test_programs_work_from_a_path_with_blanks(make_harbor: MakeHarbor) -> None:
    harbor = make_harbor("ordinary")
    programs = copy_programs(harbor.home / "a check out" / "pg")
    harbor.home.chmod(0o711)
    harbor.home.parent.chmod(0o711)
    (binaries,) = programs.glob("*/*/bin")
    found = PostgresPrograms(binaries, (65534, 65534) if AM_ROOT else None)

    async def ask() -> None:
        async with EmbeddedPostgres(harbor.home, lasting=False, programs=lambda: found) as postgres:
            assert postgres.url

    asyncio.run(ask())
    assert harbor.server_processes() == []


def test_programs_are_copied_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "pg"
    half = tmp_path / f"pg.{os.getpid()}"
    half.mkdir()
    (half / "rubbish").touch()
    copied = copy_programs(target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pg"]
    assert not (copied / "rubbish").exists()
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in copied.rglob("*"))
    marker = copied / "kept"
    marker.touch()
    copy_programs(target)
    assert marker.exists()
    shutil.rmtree(copied)
