"""The embedded cluster on disk: its files under HOME, its creation, and its settings."""

import asyncio
import dataclasses
import hashlib
import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from tokenharbor.db.programs import MAJOR, PostgresPrograms
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.files import sync_folder

SUPERUSER = "tokenharbor"
WORKING_FOLDER = "/proc/self/cwd"
"""The data folder as passed to PostgreSQL, which runs in it. Its own path may have blanks or private parents."""

_SOCKET_NAME = ".s.PGSQL.5432"
_LONGEST_SOCKET = 100  # the kernel takes 107 bytes
_LOG_BYTES = 8 << 20
_SETTINGS = """\
# Written at each start. To change a setting, use ALTER SYSTEM: it goes to postgresql.auto.conf, which wins.
cluster_name = 'tokenharbor'
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 500
shared_buffers = 128MB
huge_pages = off
io_method = sync
jit = off
random_page_cost = 1.1
# full durability: only connections that place holds turn synchronous_commit off, each for itself
fsync = on
full_page_writes = on
synchronous_commit = on
recovery_init_sync_method = syncfs    # after a crash: one call, instead of one for each file, which takes seconds
wal_compression = on
min_wal_size = 128MB
max_wal_size = 1GB
# a few rows are updated thousands of times a second: vacuum early and in small steps
autovacuum_naptime = 10s
autovacuum_vacuum_scale_factor = 0.05
autovacuum_vacuum_cost_limit = 1000
idle_in_transaction_session_timeout = 60s
max_worker_processes = 2
max_parallel_workers_per_gather = 0
max_logical_replication_workers = 0
# log no statement and no value of a row
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_checkpoints = off
log_line_prefix = '%m [%p] '
log_timezone = 'UTC'
timezone = 'UTC'
lc_messages = 'C'
"""


@dataclass(frozen=True, slots=True)
class PostgresCluster:
    """The files in HOME/postgres: the data, the server's log, and the lock files (see `embedded.py`)."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "server.log"

    @property
    def gate(self) -> Path:
        """Locked by a process while it starts or stops the server."""
        return self.root / "gate.lock"

    @property
    def users(self) -> Path:
        """Locked (shared) by every process that uses the server."""
        return self.root / "users.lock"

    @property
    def alive(self) -> Path:
        """Locked by the server's own processes while one of them lives."""
        return self.root / "alive.lock"

    @property
    def passing(self) -> Path:
        """Exists while the server runs only for commands: the last one to leave stops it."""
        return self.root / "passing"

    @property
    def postmaster(self) -> Path:
        return self.data / "postmaster.pid"


def open_cluster(home: Path) -> PostgresCluster:
    """Create the cluster's folder under HOME, private to us. Raises Misconfigured if it cannot be created."""
    root = home.resolve() / "postgres"
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"{root}: cannot store the database here: {error.strerror}") from error
    return PostgresCluster(root)


def run_as_data_owner(cluster: PostgresCluster, programs: PostgresPrograms) -> PostgresPrograms:
    """Return the programs; as root, set to run as the owner of existing data, so that this user can still use it."""
    if programs.user is None or not cluster.data.exists():
        return programs
    owner = cluster.data.stat()
    if owner.st_uid == 0:
        return programs
    return dataclasses.replace(programs, user=(owner.st_uid, owner.st_gid))


async def prepare(cluster: PostgresCluster, programs: PostgresPrograms) -> None:
    """Create the data if there is none, and write the settings.

    Raises Misconfigured if that fails, or if the data is of another major version.
    """
    if not cluster.data.exists():
        await _make(cluster, programs)
    found = (cluster.data / "PG_VERSION").read_text().strip()
    if found != str(MAJOR):
        raise Misconfigured(
            f"{cluster.data}: created by PostgreSQL {found}, but this version of Token Harbor includes {MAJOR}: "
            "dump the data with the old version and restore it into the new one"
        )
    _write_settings(cluster.data, programs)
    if cluster.log.exists() and cluster.log.stat().st_size > _LOG_BYTES:
        cluster.log.rename(cluster.log.with_suffix(".log.1"))


async def _make(cluster: PostgresCluster, programs: PostgresPrograms) -> None:
    """Create the data under another name first: the next start removes what a kill left incomplete."""
    half = cluster.root / "data.half"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    programs.give_to_user(half)
    with cluster.log.open("ab") as output:
        begin = output.tell()
        made = programs.start(
            "initdb", "-D", WORKING_FOLDER, "-U", SUPERUSER, "--auth-local=trust", "--auth-host=reject",
            "--no-instructions", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            cwd=half, output=output.fileno(),
        )  # fmt: skip
    if await asyncio.to_thread(made.wait) != 0:
        raise Misconfigured(f"{cluster.data}: cannot create the database: {last_log_complaint(cluster, begin)}")
    half.rename(cluster.data)
    sync_folder(cluster.root)


def _write_settings(data: Path, programs: PostgresPrograms) -> None:
    """Write a new file each time: root must not follow a link that the data's unprivileged owner may have made."""
    fresh = data / "postgresql.conf.new"
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        if programs.user is not None:
            os.fchown(descriptor, *programs.user)
        file.write(_SETTINGS)
    fresh.rename(data / "postgresql.conf")


def last_log_complaint(cluster: PostgresCluster, begin: int) -> str:
    """Return the last error in the server's log after the byte `begin`, else its last line."""
    with cluster.log.open("rb") as log:
        log.seek(begin)
        text = log.read().decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    complaints = [line for line in lines if re.search(r"FATAL|PANIC|error:", line)]
    return f"{(complaints or lines or ['no message'])[-1]} (more in {cluster.log})"


def socket_folder(cluster: PostgresCluster, programs: PostgresPrograms) -> Path:
    """Return the folder of the Unix socket: a short plain path that the kernel and PostgreSQL accept for any HOME."""
    mark = hashlib.sha256(os.fsencode(cluster.root)).hexdigest()[:12]
    own = cluster.root / "socket"
    if programs.user is not None:
        return Path("/run/tokenharbor", mark)
    if re.fullmatch(r"[\w/.-]+", str(own), re.ASCII) and len(str(own / _SOCKET_NAME)) <= _LONGEST_SOCKET:
        return own
    return Path("/tmp", f"tokenharbor-{os.geteuid()}-{mark}")  # noqa: S108  made private, and checked


def make_socket_folder(folder: Path, programs: PostgresPrograms) -> None:
    """Create the folder, or empty it; no other user can enter it. Raises Misconfigured if another user owns it."""
    if programs.user is not None:
        folder.parent.mkdir(mode=0o755, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or (programs.user is None and found.st_uid != os.geteuid()):
        raise Misconfigured(f"{folder}: owned by another user; remove it")
    programs.give_to_user(folder)
    for stale in folder.iterdir():
        stale.unlink()
