"""What the programs share: the two tools that a model gets, as functions and as JSON schemas, and where to ask."""

import os
import subprocess
from pathlib import Path

URL = os.environ["HARBOR_URL"]
KEY = os.environ["HARBOR_KEY"]
MODEL = os.environ["HARBOR_MODEL"]
DIALECT = os.environ["HARBOR_DIALECT"]
PROMPT = os.environ["HARBOR_PROMPT"]
RETRIES = int(os.environ["HARBOR_RETRIES"])
MOST_TURNS = 10


def edit_file(path: str, old: str, new: str) -> str:
    """Replace a text that occurs once in a file."""
    text = Path(path).read_text()
    if text.count(old) != 1:
        return f"the text occurs {text.count(old)} times"
    Path(path).write_text(text.replace(old, new))
    return "replaced"


def run_command(command: str) -> str:
    """Run a shell command in the current folder; its output, both streams."""
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=False)  # noqa: S602
    return f"{done.stdout}{done.stderr}\nexit code {done.returncode}"


TOOLS = {"edit_file": edit_file, "run_command": run_command}


def _schema(*names: str) -> dict[str, object]:
    properties = {name: {"type": "string"} for name in names}
    return {"type": "object", "properties": properties, "required": list(names), "additionalProperties": False}


SCHEMAS = (
    ("edit_file", "Replace a text that occurs once in a file.", _schema("path", "old", "new")),
    ("run_command", "Run a shell command in the current folder.", _schema("command")),
)
