"""What browsers are sent: its size, its forms, and that nothing in it comes from elsewhere."""

import gzip
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

FIRST_LOAD = ("index.html", "src/words/en.ts", "src/shell/ScopedShell.tsx")
HOME = "src/pages/home/HomePage.tsx"
MOST_HOME_BYTES, MOST_BYTES, MOST_FACE_BYTES = 200_000, 230_000, 80_000


def _scripts(manifest: Mapping[str, Any], names: tuple[str, ...]) -> set[str]:
    """Files of the chunks that these need at once."""
    waiting, seen = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += manifest[name].get("imports", [])
    return {manifest[name]["file"] for name in seen if manifest[name]["file"].endswith(".js")}


def test_home_has_at_most_200_kb_of_script_and_other_pages_230(built: Path) -> None:
    manifest = json.loads((built / "manifest.json").read_text())
    pages = [name for name in manifest if name.startswith("src/pages/") and "/session/" not in name]
    assert HOME in pages
    for page in pages:
        files = _scripts(manifest, (*FIRST_LOAD, page))
        size = sum((built / f"{file}.gz").stat().st_size for file in files)
        assert size <= (MOST_HOME_BYTES if page == HOME else MOST_BYTES), (page, size)


def test_the_rendered_pages_load_one_small_script_and_style(built: Path) -> None:
    entry = json.loads((built / "manifest.json").read_text())["src/site/site.ts"]
    assert not entry.get("imports")
    assert (built / f"{entry['file']}.gz").stat().st_size <= 3_000
    assert sum((built / f"{file}.gz").stat().st_size for file in entry["css"]) <= 5_000


def test_the_faces_have_at_most_80_kb_and_their_licences(built: Path) -> None:
    faces = list(built.glob("assets/*.woff2"))
    assert len(faces) == 2
    assert sum(face.stat().st_size for face in faces) <= MOST_FACE_BYTES
    assert all("SIL Open Font License" in each.read_text() for each in (built / "licences").iterdir())


def test_scripts_and_styles_are_there_compressed_as_well(built: Path) -> None:
    files = [file for file in built.rglob("*") if file.suffix in {".js", ".css", ".svg"}]
    assert files
    for file in files:
        assert gzip.decompress(Path(f"{file}.gz").read_bytes()) == file.read_bytes()
        assert Path(f"{file}.br").is_file()
    forms = {form: sum(Path(f"{file}.{form}").stat().st_size for file in files) for form in ("br", "gz")}
    assert forms["br"] < forms["gz"]


def test_the_page_has_no_script_or_style_of_its_own_and_fetches_nothing_from_elsewhere(built: Path) -> None:
    page = (built / "index.html").read_text()
    assert not re.search(r"<style|<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=", page)
    for file in (built / "index.html", *built.glob("assets/*.css")):
        assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//|url\(["']?(?:https?:)?//""", file.read_text()), file
