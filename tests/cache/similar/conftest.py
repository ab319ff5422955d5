"""The installed embedding model, with its int8 files written once for a test run."""

from pathlib import Path

import pytest

from tokenharbor.cache.similar import minilm_file
from tokenharbor.cache.similar.embedder import Embedder
from tokenharbor.cache.similar.model import installed, opened


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    minilm_file.write(installed() / "model.safetensors", folder)
    return folder


@pytest.fixture(scope="session")
def embedder(model_folder: Path) -> Embedder:
    return opened(installed(), model_folder)
