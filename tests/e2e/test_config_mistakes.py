"""Whatever an operator gets wrong: one line that says what and where, exit 1, and a running server that runs on."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.e2e.asker import CHAT, MESSAGES, PATHS, Question, ask
from tests.e2e.books import nothing_held
from tests.e2e.books import simulator as tool
from tests.e2e.harbor import READY_SECONDS, Harbor, make_harbor, start_simulator

pytestmark = pytest.mark.slow

SECRET = "sekretQuokkaVellichor0123456789"
DEEP = "[" * 5_000 + "]" * 5_000


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
    assert "a fault of ours" not in done.stderr, done.stderr
    assert SECRET not in done.stderr, done.stderr
    return done.stderr


def serve(home: Path, *words: str, env: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return run("serve", "--home", str(home), "--port", "0", *words, env=env)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


# ---- the file

IN_THE_FILE: Mapping[str, tuple[str, str]] = {
    "no TOML": ("[server\nport = 1", "tokenharbor.toml: not TOML: "),
    "twice": ("[server]\nport = 1\nport = 2", "tokenharbor.toml: not TOML: "),
    "too deep": (f"x = {DEEP}", "tokenharbor.toml: "),
    "too long a number": (f"[server]\nport = {'9' * 5_000}", "tokenharbor.toml: "),
    "a section": ("[sever]\nport = 1", "unknown field 'sever'; did you mean 'server'?"),
    "a field": ("[server]\nprot = 1", "[server]: unknown field 'prot'; did you mean 'port'?"),
    "a type": ("[server]\nport = '8080'", "[server]: port: expected an integer"),
    "a range": ("[server]\nmax_body = -1", "[server]: max_body: "),
    "an edition": ("edition = 'token-habor'", "edition 'token-habor'; did you mean 'token-harbor'?"),
    "an edition's file": ("edition = './mine.toml'", "mine.toml: cannot be read: No such file"),
    "an edition that can be no file": ('edition = "./a\\u0000.toml"', "edition "),
    "a folder for an edition": ("edition = './'", "cannot be read: Is a directory"),
    "a proxy": ("[server]\ntrusted_proxies = ['10.0.0.300']", "server.trusted_proxies: '10.0.0.300'"),
    "a secret in clear": (f"[server]\nsecret = '{SECRET}'", "[server]: secret stands there in clear"),
    "a token in clear": (f"[server]\nmetrics_token = '{SECRET}'", "[server]: metrics_token stands there in clear"),
    "a password in clear": (f"[database]\nurl = 'postgresql://u:{SECRET}@h/d'", "[database]: url holds a password"),
    "a secret that is not set": ("[server]\nsecret = 'env:NOWHERE'", "server.secret: env:NOWHERE is not set"),
    "a secret that is not there": ("[server]\nsecret = 'file:/nowhere/key'", "/nowhere/key: the secret cannot be read"),
    "a secret that can be no file": ('[server]\nsecret = "file:\\u0000"', "server]: secret"),
    "a database's scheme": ("[database]\nurl = 'mysql://h/d'", "[database]: url does not begin with postgresql://"),
    "a database that is not set": ("[database]\nurl = 'env:NOWHERE'", "[database]: url: env:NOWHERE is not set"),
    "a folder for a token": ("[server]\nmetrics_token = 'file:/'", "/: the secret cannot be read: Is a directory"),
}

PROVIDER = '[providers.mine]\nwire = "openai_chat"\nbase_url = "http://127.0.0.1:1/v1"\ncredential = "env:KEY"\n'
MODEL = '[models.novel]\ncontext = 1000\nmax_output = 100\n[[models.novel.endpoints]]\nprovider = "mine"\n'
PRICE = 'price = { input = "1", output = "2" }\n'
IN_THE_CATALOGUE: Mapping[str, tuple[str, str]] = {
    "a field": (PROVIDER + "timeout = 5", "mine\"]: unknown field 'timeout'; did you mean 'timeouts'?"),
    "a wire": (PROVIDER.replace("_chat", "_chats"), "unknown wire 'openai_chats'; did you mean 'openai_chat'?"),
    "an address": (PROVIDER.replace("http:", "htp:"), 'mine"]: base_url must be http://'),
    "a port": (PROVIDER.replace(":1/", ":99999/"), 'mine"]: base_url must be http://'),
    "a host that is none": (PROVIDER.replace("127.0.0.1:1", "[::1"), 'mine"]: base_url must be http://'),
    "a credential in clear": (PROVIDER.replace("env:KEY", SECRET), 'mine"]: credential must say where'),
    "a credential that is not there": (PROVIDER.replace("env:KEY", "file:/nowhere") + MODEL + PRICE, "/nowhere: "),
    "a credential that can be no file": (
        PROVIDER.replace("env:KEY", "file:a\\u0000b") + MODEL + PRICE,
        'mine"]: credential',
    ),
    "a header": (PROVIDER + 'headers = { x = "a\\r\\nb: c" }', "mine\"]: header 'x' has characters"),
    "a provider": (PROVIDER + MODEL.replace('"mine"', '"main"') + PRICE, "unknown provider; did you mean"),
    "a number for a price": (PROVIDER + MODEL + "price = { input = 1.0 }", "price: input must be a decimal string"),
    "a price below zero": (PROVIDER + MODEL + PRICE.replace('"1"', '"-1"'), "price input: "),
    "a price beyond all": (PROVIDER + MODEL + PRICE.replace('"1"', '"1e99"'), "price input: "),
    "a price of no number": (PROVIDER + MODEL + PRICE.replace('"1"', '"NaN"'), "price input: "),
    "a name": (PROVIDER + MODEL.replace("novel", '"no\\r\\nvel"') + PRICE, "a model's name is letters"),
    "a letter": (PROVIDER + MODEL.replace("novel", '"n\u00f6vel"') + PRICE, "a model's name is letters"),
    "a model's size": (PROVIDER + MODEL.replace("1000", "0") + PRICE, "context: expected an integer >= 1"),
    "an alias": (
        PROVIDER + MODEL.replace("100\n", '100\naliases = ["gpt-4.1"]\n') + PRICE,
        "alias 'gpt-4.1' also names",
    ),
    "a time": (PROVIDER + "timeouts = { total = -1 }", "timeouts: total: expected a float > 0"),
    "for ever": (PROVIDER + "timeouts = { total = inf }", "timeouts: total: "),
}


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
    "an edition": ({"TOKENHARBOR_EDITION": "relai"}, "there is no edition 'relai'; did you mean 'relay'?"),
    "a file": ({"TOKENHARBOR_CONFIG": "/nowhere/at/all.toml"}, "/nowhere/at/all.toml: there is no such file"),
    "a secret in clear": ({"TOKENHARBOR_SERVER_SECRET": SECRET}, "[server]: secret stands there in clear"),
    "a short secret": ({"TOKENHARBOR_SERVER_SECRET": "env:SHORT", "SHORT": "abc"}, "is shorter than 32 characters"),
    "a proxy": ({"TOKENHARBOR_SERVER_TRUSTED_PROXIES": "10.0.0.1, nowhere"}, "server.trusted_proxies: 'nowhere'"),
    "workers": ({"TOKENHARBOR_SERVER_WORKERS": "4"}, "workers: more than one gateway process is not supported yet"),
    "a database's scheme": ({"TOKENHARBOR_DATABASE_URL": f"http://u:{SECRET}@h/"}, "does not begin with postgresql://"),
    "a database that is away": (
        {"TOKENHARBOR_DATABASE_URL": f"postgresql://u:{SECRET}@127.0.0.1:1/x"},
        "the database cannot be reached: ",
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
    assert 'database.url: database "nowhere" does not exist' in line


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
    "for all to read": (b"x" * 64, 0o644, "others may read the root secret; run: chmod 600 "),
    "for the group to read": (b"x" * 64, 0o640, "others may read the root secret; run: chmod 600 "),
    "for all to write": (b"x" * 64, 0o602, "others may read the root secret; run: chmod 600 "),
    "empty": (b"", 0o600, "the root secret is shorter than 32 characters"),
    "short": (SECRET[:31].encode(), 0o600, "the root secret is shorter than 32 characters"),
    "blanks": (b" " * 64, 0o600, "the root secret is shorter than 32 characters"),
    "no text": (b"\xff" * 64, 0o600, "the root secret is not text"),
}


@pytest.mark.parametrize("name", SECRET_FILES)
def test_a_root_secret_that_is_none(home: Path, name: str, database_url: str) -> None:
    content, mode, complaint = SECRET_FILES[name]
    file = home / "secret.key"
    file.write_bytes(content)
    file.chmod(mode)
    line = refused(serve(home, env={"TOKENHARBOR_DATABASE_URL": database_url}))
    assert f"{file}: {complaint}" in line
    assert file.read_bytes() == content


def test_a_root_secret_that_is_no_file(home: Path, database_url: str) -> None:
    file = home / "secret.key"
    env = {"TOKENHARBOR_DATABASE_URL": database_url}
    file.mkdir()
    assert f"{file}: " in refused(serve(home, env=env))
    file.rmdir()
    file.symlink_to("/nowhere/at/all")
    assert f"{file}: the root secret cannot be used" in refused(serve(home, env=env))
    file.unlink()
    os.mkfifo(file, 0o600)
    assert f"{file}: the root secret is not an ordinary file" in refused(serve(home, env=env))


# ---- the simulator's script

SCRIPTS: Mapping[str, tuple[str, str]] = {
    "no TOML": ("[[rules", "script.toml: "),
    "a section": ("[[rule]]", "unknown field 'rule'; the nearest known one is 'rules'"),
    "a field": ("[answer]\ntxt = 'x'", "unknown field 'txt' at answer; the nearest known one is 'text'"),
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
        assert f"{file}: cannot be read: " in refused(run("simulator", "--port", "0", "--script", str(file)))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = refused(run("simulator", "--port", str(taken.getsockname()[1])))
    assert "the simulator cannot listen on 127.0.0.1:" in line


# ---- a server that runs


@pytest.fixture(scope="module")
def running() -> Iterator[Harbor]:
    with tempfile.TemporaryDirectory(prefix="th-e2e-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        simulator, url = start_simulator("", folder)
        harbor = make_harbor(folder, url)
        try:
            yield harbor
        finally:
            harbor.stop()
            simulator.stop()


def reread(harbor: Harbor, times: int = 1) -> dict[str, str]:
    """Send the signal; what the server then says of its files."""
    assert harbor.server is not None
    before = len(told(harbor))
    for _ in range(times):
        harbor.server.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        if len(lines := told(harbor)) > before:
            said: dict[str, str] = json.loads(lines[before])
            return said
        assert harbor.server.process.poll() is None, harbor.server.lines[-20:]
        time.sleep(0.02)
    raise AssertionError(harbor.server.lines[-20:])


def told(harbor: Harbor) -> list[str]:
    assert harbor.server is not None
    return [line for line in harbor.server.lines if '"reloaded"' in line or '"not_reloaded"' in line]


def chat(harbor: Harbor, model: str = "sim") -> int:
    """A request's status."""
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 50}
    asked = ask(harbor.url, Question(CHAT, harbor.key, json.dumps(body).encode()))
    return asyncio.run(asked).status or 0


def test_a_bad_file_keeps_the_old_one_and_says_so(running: Harbor) -> None:
    file = running.home / "tokenharbor.toml"
    good = file.read_text()
    only_at_the_start = (
        "[server]\nsecret = 'env:",
        "[server]\nsecret = 'file:",
        "[database]\nurl = ",
        "token = 'file:",
    )
    mistakes = [text for text, _ in (*IN_THE_FILE.values(), *IN_THE_CATALOGUE.values())]
    mistakes = [text for text in mistakes if SECRET in text or not any(word in text for word in only_at_the_start)]
    assert len(mistakes) > 30
    for text in mistakes:
        file.write_text(text)
        said = reread(running)
        assert (said["event"], said["level"]) == ("not_reloaded", "error"), text
        assert any(
            place in said["reason"] for place in ("tokenharbor.toml", "edition ", "edition: ", "server.", "/nowhere")
        )
        assert "a fault of ours" not in said["reason"]
        assert SECRET not in json.dumps(said)
        assert chat(running) == 200, text
    file.write_bytes(b"edition = '\xff'")
    assert "not UTF-8" in reread(running)["reason"]
    provider = PROVIDER.replace("env:KEY", "env:SIM_KEY").replace("http://127.0.0.1:1", running.simulator)
    for text, status in ((good + provider, 404), (good + provider + MODEL + PRICE, 200), (good, 404)):
        file.write_text(text)
        assert reread(running)["event"] == "reloaded"
        assert chat(running, "novel") == status


def test_many_signals_at_once_end_nothing(running: Harbor) -> None:
    assert reread(running, times=50)["event"] == "reloaded"
    assert chat(running) == 200


# ---- what a server leaves behind

CANARY = "quokka7Xq2vellichor"


def telling(path: str, **more: object) -> bytes:
    body = {"model": "sim", "messages": [{"role": "user", "content": f"{CANARY}Prompt"}], "max_tokens": 50, **more}
    if path == MESSAGES:
        body["system"] = f"{CANARY}System"
    return json.dumps(body).encode()


def test_neither_logs_nor_files_hold_content_or_keys(running: Harbor) -> None:
    """Whatever became of the requests: served, refused, failed, left."""
    text = f"{CANARY}Answer and many words more, one after the other"
    tool(running, "POST", "script", f'answer = {{ text = "{text}", chunk_chars = 4, delay_ms = 10 }}')
    for path in PATHS:
        questions = [
            Question(path, running.key, telling(path)),
            Question(path, running.key, telling(path, stream=True)),
            Question(path, running.key, telling(path, stream=True), leave_bytes=400),
            Question(path, running.key, telling(path, model=f"{CANARY}Model")),
            Question(path, running.key, telling(path, max_tokens=f"{CANARY}Maximum")),
            Question(path, f"thk_live_{CANARY}{'x' * (32 - len(CANARY))}", telling(path)),
        ]
        statuses = [asyncio.run(ask(running.url, question)).status for question in questions]
        assert statuses == [200, 200, 200, 404, 400, 401]
    refusal = f'kind = "status", status = 400, message = "{CANARY}Complaint"'
    for fault in (refusal, refusal.replace("400", "500"), "kind = 'break', after_content = 2", "kind = 'garbage'"):
        tool(running, "POST", "script", f'answer = {{ text = "{text}" }}\n[[rules]]\nfault = {{ {fault} }}')
        for path in PATHS:
            for stream in (False, True):
                asyncio.run(ask(running.url, Question(path, running.key, telling(path, stream=stream))))
    tool(running, "POST", "script", "")
    asyncio.run(nothing_held(running.url, running.key))
    assert running.server is not None
    secrets = [CANARY, running.key, running.key[9:], *running.env.values()]
    log = "\n".join(running.server.lines)
    assert not [secret for secret in secrets if secret in log], log
    found = [
        f"{file}: {secret}"
        for file in running.home.rglob("*")
        if file.is_file()
        for secret in secrets
        if secret.encode() in file.read_bytes()
    ]
    assert found == []
