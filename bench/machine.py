"""The machine: what it is, which programs it has, and what running processes take of it."""

import contextlib
import os
import platform
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, sleep

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_READY_SECONDS = 60
_STOP_SECONDS = 40


class Missing(Exception):
    """Something the bench needs is not there; the message says what to do."""


@dataclass
class Program:
    """A process that the bench started, and will end."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


@dataclass
class Started:
    """Every process of a run, ended in reverse order."""

    folder: Path
    programs: list[Program] = field(default_factory=list)
    detached: list[int] = field(default_factory=list)  # what a program of ours started, and should end

    def start(self, name: str, *command: str, port: int = 0) -> Program:
        """Start a program with its output in `NAME.log`; wait until it listens on `port`, if there is one."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, cwd=ROOT)
        program = Program(name, process, log)
        self.programs.append(program)
        if port:
            wait_until(lambda: _listens(port), program)
        return program

    def stop_all(self) -> None:
        while self.programs:
            self.programs.pop().stop()
        for pid in self.detached:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)


def wait_until(ready: Callable[[], bool], program: Program) -> None:
    """Poll `ready`; Missing with the program's last words if it dies or takes a minute."""
    end = perf_counter() + _READY_SECONDS
    while not ready():
        if program.process.poll() is not None or perf_counter() > end:
            raise Missing(f"{program.name} does not start:\n{program.last_words()}")
        sleep(0.05)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def find_program(name: str, package: str) -> str:
    """The path of a system program, installed from Debian's package if that is possible."""
    path = f"{os.defpath}:/usr/sbin:/usr/local/bin"
    if (found := shutil.which(name, path=path)) is not None:
        return found
    if os.geteuid() == 0 and shutil.which("apt-get") is not None:
        print(f"installing {package}", flush=True)
        command = f"apt-get update -qq; apt-get install -y -qq --no-install-recommends {package}"
        subprocess.run(["/bin/sh", "-c", command], check=False, capture_output=True)
        if (found := shutil.which(name, path=path)) is not None:
            return found
    raise Missing(f"{name} is not there: apt-get install {package}")


def tree(root: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def command_of(pid: int) -> str:
    """A process's words; "" where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _parents() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            yield int(folder.name), int(fields[1])


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty where the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def cpu_seconds(root: int) -> float:
    """User and system time of a process tree, its reaped children included."""
    return sum(sum(map(int, _stat(pid)[11:15])) for pid in tree(root)) / _TICKS


def resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 2**20


def pin(root: int, cores: set[int]) -> None:
    """Keep a process tree, every thread of it, on some cores."""
    for pid in tree(root):
        try:
            threads = [int(folder.name) for folder in Path(f"/proc/{pid}/task").iterdir()]
        except OSError:
            continue
        for thread in threads:
            try:
                os.sched_setaffinity(thread, cores)
            except ProcessLookupError:
                continue


def all_cores() -> set[int]:
    return set(range(os.cpu_count() or 1))


def describe() -> str:
    """One line: processor, cores, memory, kernel, Python."""
    models = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = int(_lines("/proc/meminfo")[0].split()[1]) / 2**20
    return (
        f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def command_output(*command: str) -> str:
    """What a command prints, on either stream."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()
