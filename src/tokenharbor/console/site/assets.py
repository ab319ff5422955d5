"""What a rendered page loads: the script, the style and the faces that Vite made, by the names that have their hash."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

_ENTRY: Final = "src/site/site.ts"
_MANIFEST: Final = "manifest.json"
_BASE: Final = "/dashboard/"
_ICON: Final = "/dashboard/favicon.svg"


class SiteAssets(msgspec.Struct, frozen=True):
    """Paths. Without a build there are none: pages are as plain as the browser's own style."""

    scripts: Sequence[str] = ()
    styles: Sequence[str] = ()
    faces: Sequence[str] = ()
    icon: str = ""


NO_ASSETS: Final = SiteAssets()


class _Chunk(msgspec.Struct, frozen=True):
    file: str
    css: Sequence[str] = ()
    assets: Sequence[str] = ()


def read_assets(folder: Path) -> SiteAssets:
    """From the manifest of a build."""
    manifest = folder / _MANIFEST
    chunks = msgspec.json.decode(manifest.read_bytes(), type=dict[str, _Chunk]) if manifest.is_file() else {}
    entry = chunks.get(_ENTRY)
    if entry is None:
        return NO_ASSETS
    faces = [each for each in entry.assets if each.endswith(".woff2")]
    return SiteAssets([_BASE + entry.file], _paths(entry.css), _paths(faces), _ICON)


def _paths(files: Sequence[str]) -> Sequence[str]:
    return [_BASE + each for each in files]
