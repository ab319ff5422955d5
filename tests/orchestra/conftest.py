"""One classifier for all tests of the room."""

import pytest

from tokenharbor.orchestra.classifier import StageClassifier, load_classifier


@pytest.fixture(scope="session")
def orchestra() -> StageClassifier:
    return load_classifier()
