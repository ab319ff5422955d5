"""Whatever an operator gets wrong: one line that says what and where, exit 1, and a running server that runs on."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.e2e.mistakes import DEEP, IN_THE_CATALOGUE, IN_THE_FILE, SECRET

pytestmark = pytest.mark.slow


def run(*words: str, env: Mapping[str, str] | None = None, seconds: float = 60) -> "subprocess.CompletedProcess[str]":
    """A command with no settings in its environment but these."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TOKENHARBOR_")}
    return subprocess.run(
        [sys.executable, "-m", "tokenharbor", *words],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env=ours | dict(env or {}),
    )


def refused(done: "subprocess.CompletedProcess[str]") -> str:
    """The one line on stderr."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    assert done.stderr.startswith("tokenharbor: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "internal error" not in done.stderr, done.stderr
    assert SECRET not in done.stderr, done.stderr
    return done.stderr


def serve(home: Path, *words: str, env: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return run("serve", "--home", str(home), "--port", "0", *words, env=env)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.mark.parametrize("name", IN_THE_FILE)
def test_a_mistake_in_the_file(home: Path, name: str) -> None:
    text, complaint = IN_THE_FILE[name]
    (home / "tokenharbor.toml").write_text(text)
    # Nothing answers there: a mistake that is found too late shows as another complaint.
    line = refused(serve(home, env={"TOKENHARBOR_DATABASE_URL": ""}))
    assert complaint in line


@pytest.mark.parametrize("name", IN_THE_CATALOGUE)
def test_a_mistake_in_the_catalogue(home: Path, name: str, database_url: str) -> None:
    text, complaint = IN_THE_CATALOGUE[name]
    (home / "tokenharbor.toml").write_text(text)
    line = refused(serve(home, env={"TOKENHARBOR_DATABASE_URL": database_url}))
    assert complaint in line


# ---- the environment and the command line

IN_THE_ENVIRONMENT: Mapping[str, tuple[Mapping[str, str], str]] = {
    "a name": ({"TOKENHARBOR_SERVER_PROT": "1"}, "'TOKENHARBOR_SERVER_PROT'; did you mean 'TOKENHARBOR_SERVER_PORT'?"),
    "a type": ({"TOKENHARBOR_SERVER_PORT": "http"}, "TOKENHARBOR_SERVER_PORT: port: expected an integer"),
    "a range": ({"TOKENHARBOR_SERVER_MAX_BODY": "0"}, "TOKENHARBOR_SERVER_MAX_BODY: max_body: "),
    "an edition": ({"TOKENHARBOR_EDITION": "relai"}, "'relai'; did you mean 'relay'?"),
    "a file": ({"TOKENHARBOR_CONFIG": "/nowhere/at/all.toml"}, "/nowhere/at/all.toml"),
    "a secret in clear": ({"TOKENHARBOR_SERVER_SECRET": SECRET}, "[server]: secret is in clear text"),
    "a short secret": ({"TOKENHARBOR_SERVER_SECRET": "env:SHORT", "SHORT": "abc"}, "32 characters"),
    "a proxy": ({"TOKENHARBOR_SERVER_TRUSTED_PROXIES": "10.0.0.1, nowhere"}, "server.trusted_proxies: 'nowhere'"),
    "workers": ({"TOKENHARBOR_SERVER_WORKERS": "many"}, "workers: "),
    "a database's scheme": ({"TOKENHARBOR_DATABASE_URL": f"http://u:{SECRET}@h/"}, "must begin with postgresql://"),
    "a database that is away": (
        {"TOKENHARBOR_DATABASE_URL": f"postgresql://u:{SECRET}@127.0.0.1:1/x"},
        "database unavailable at 127.0.0.1:1: ",
    ),
    "a database's port": ({"TOKENHARBOR_DATABASE_URL": f"postgresql://u:{SECRET}@127.0.0.1:port/x"}, "database.url: "),
    "a database's socket": ({"TOKENHARBOR_DATABASE_URL": "postgresql:///x?host=/nowhere&user=u"}, "No such file"),
}


@pytest.mark.parametrize("name", IN_THE_ENVIRONMENT)
def test_a_mistake_in_the_environment(home: Path, name: str) -> None:
    env, complaint = IN_THE_ENVIRONMENT[name]
    assert complaint in refused(serve(home, env=env))


def test_a_database_that_is_no_database(home: Path) -> None:
    """Something listens there and says nothing, or something else."""
    for greeting in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(30)
            url = f"postgresql://u:{SECRET}@127.0.0.1:{listener.getsockname()[1]}/x"
            process = subprocess.Popen(
                [sys.executable, "-m", "tokenharbor", "serve", "--home", str(home), "--port", "0"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | {"TOKENHARBOR_DATABASE_URL": url},
            )
            peer, _ = listener.accept()
            with peer:
                if greeting:
                    peer.sendall(greeting)
                out, err = process.communicate(timeout=60)
        refused(subprocess.CompletedProcess("", process.returncode, out, err))


def test_a_database_that_is_not_there(home: Path, postgres_url: str) -> None:
    line = refused(serve(home, env={"TOKENHARBOR_DATABASE_URL": postgres_url % "nowhere"}))
    assert 'database "nowhere" does not exist' in line


@pytest.mark.parametrize("words", [("--port", "65536"), ("--port", "http"), ("--prot", "1"), ("now",)])
def test_what_is_not_understood_is_a_mistake_of_usage(home: Path, words: tuple[str, ...]) -> None:
    done = run("serve", "--home", str(home), *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


# ---- the machine


def test_a_port_in_use(home: Path, database_url: str) -> None:
    env = {"TOKENHARBOR_DATABASE_URL": database_url}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused(run("serve", "--home", str(home), "--port", str(port), env=env))
    assert f"cannot listen on 127.0.0.1:{port}: " in line
    assert "in use" in line


@pytest.mark.parametrize("host", ["203.0.113.1", "999.1.1.1", "no such host", "-"])
def test_an_address_that_is_not_ours(home: Path, database_url: str, host: str) -> None:
    env = {"TOKENHARBOR_DATABASE_URL": database_url, "TOKENHARBOR_SERVER_HOST": host}
    assert f"cannot listen on {host}:0: " in refused(serve(home, env=env))


def test_a_home_that_cannot_be_one(tmp_path: Path, database_url: str) -> None:
    env = {"TOKENHARBOR_DATABASE_URL": database_url}
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "home", Path("/proc/home"), Path("/proc/self/fd/home")):
        line = refused(serve(place, env=env))
        assert str(place) in line
        assert "Errno" not in line


SECRET_FILES: Mapping[str, tuple[bytes, int, str]] = {
    "for all to read": (b"x" * 64, 0o644, "chmod 600 "),
    "for the group to read": (b"x" * 64, 0o640, "chmod 600 "),
    "for all to write": (b"x" * 64, 0o602, "chmod 600 "),
    "empty": (b"", 0o600, "32 characters"),
    "short": (SECRET[:31].encode(), 0o600, "32 characters"),
    "blanks": (b" " * 64, 0o600, "32 characters"),
    "no text": (b"\xff" * 64, 0o600, "not text"),
}


@pytest.mark.parametrize("name", SECRET_FILES)
def test_a_root_secret_that_is_none(home: Path, name: str, database_url: str) -> None:
    content, mode, complaint = SECRET_FILES[name]
    file = home / "secret.key"
    file.write_bytes(content)
    file.chmod(mode)
    line = refused(serve(home, env={"TOKENHARBOR_DATABASE_URL": database_url}))
    assert f"{file}: " in line
    assert complaint in line
    assert file.read_bytes() == content


def test_a_root_secret_that_is_no_file(home: Path, database_url: str) -> None:
    file = home / "secret.key"
    env = {"TOKENHARBOR_DATABASE_URL": database_url}
    file.mkdir()
    assert f"{file}: " in refused(serve(home, env=env))
    file.rmdir()
    file.symlink_to("/nowhere/at/all")
    assert f"{file}: " in refused(serve(home, env=env))
    file.unlink()
    os.mkfifo(file, 0o600)
    assert f"{file}: the root secret" in refused(serve(home, env=env))


# ---- the simulator's script

SCRIPTS: Mapping[str, tuple[str, str]] = {
    "no TOML": ("[[rules", "script.toml: "),
    "a section": ("[[rule]]", "unknown field 'rule'; did you mean 'rules'?"),
    "a field": ("[answer]\ntxt = 'x'", "unknown field 'txt' at answer; did you mean 'text'?"),
    "a match": ("[[rules]]\nmatch = { modle = 'x' }", "unknown field 'modle' at rules[0].match"),
    "a fault's kind": ("[[rules]]\nfault = { kind = 'explode' }", "rules[0].fault"),
    "a fault's field": ("[[rules]]\nfault = { kind = 'status', stats = 500 }", "'stats'"),
    "a status": ("[[rules]]\nfault = { kind = 'status', status = 200 }", "rules[0].fault.status"),
    "a type": ("seed = 'x'", "seed"),
    "a count": ("[answer]\ntokens = -1", "answer.tokens"),
    "too deep": (f"models = {DEEP}", "script.toml: "),
    "too long a number": (f"seed = {'9' * 5_000}", "script.toml: "),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_mistake_in_a_script(tmp_path: Path, name: str) -> None:
    text, complaint = SCRIPTS[name]
    file = tmp_path / "script.toml"
    file.write_text(text)
    line = refused(run("simulator", "--port", "0", "--script", str(file)))
    assert complaint in line
    assert str(file) in line


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    for file in (tmp_path / "none.toml", tmp_path):
        assert f"{file}: " in refused(run("simulator", "--port", "0", "--script", str(file)))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = refused(run("simulator", "--port", str(taken.getsockname()[1])))
    assert "cannot listen on 127.0.0.1:" in line
