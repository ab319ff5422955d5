"""LiteLLM's proxy in an environment of its own, with a master key, one model, and no database."""

import subprocess
import sys
from hashlib import sha256
from http.client import HTTPConnection

from bench.bodies import SMALL, request_body
from bench.machine import ROOT, TOOLS, Missing, Program, Started, command_output, free_port, wait_until

KEY = "sk-bench"
_LOCK = ROOT / "bench" / "requirements-litellm.lock"
_CONFIG = """\
model_list:
  - model_name: bench
    litellm_params:
      model: openai/bench-upstream
      api_base: http://127.0.0.1:{vendor}/small/v1
      api_key: bench
general_settings:
  master_key: {key}
litellm_settings:
  telemetry: false
  num_retries: 0
"""


def start_litellm(started: Started, vendor: int) -> tuple[Program, int]:
    """One worker; nothing it does leaves loopback."""
    _install()
    port = free_port()
    config = started.folder / "litellm.yaml"
    config.write_text(_CONFIG.format(vendor=vendor, key=KEY))
    program = started.start(
        "litellm", "/usr/bin/env", "LITELLM_LOCAL_MODEL_COST_MAP=True", "LITELLM_TELEMETRY=False", "NO_PROXY=*",
        "LITELLM_LOG=ERROR", "DISABLE_ADMIN_UI=True", str(TOOLS / "litellm/bin/litellm"), "--config", str(config),
        "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False", port=port,
    )  # fmt: skip
    wait_until(lambda: _answers(port), program)
    return program, port


def _answers(port: int) -> bool:
    """Whether a first request, for which it makes itself ready at length, is answered with 200."""
    head = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/v1/chat/completions", request_body("bench", SMALL), head)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def version() -> str:
    code = "import importlib.metadata as m; print(m.version('litellm'))"
    return command_output(str(TOOLS / "litellm/bin/python"), "-c", code)


def _install() -> None:
    folder, mark = TOOLS / "litellm", sha256(_LOCK.read_bytes()).hexdigest()
    ready = folder / ".ready"
    if ready.exists() and ready.read_text() == mark:
        return
    print("installing LiteLLM into .tools/litellm (once; about two minutes)", flush=True)
    python = str(folder / "bin/python")
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [
            python,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--require-hashes",
            "--no-deps",
            "-r",
            str(_LOCK),
        ],
    ):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise Missing(f"LiteLLM cannot be installed: {done.stderr.strip()[-500:]}")
    ready.write_text(mark)
