"""The embedding model: what it finds similar, what it costs, and that only its published weights are accepted."""

import subprocess
import sys
from pathlib import Path

import pytest

from tokenharbor.cache.similar import minilm_file, model
from tokenharbor.cache.similar.embedder import Embedder, Vectors, alignment, likeness
from tokenharbor.cache.similar.model import HOW_TO_INSTALL, installed, opened
from tokenharbor.cache.similar.reading import read
from tokenharbor.cache.similar.verify import Prompt, mismatch
from tokenharbor.kernel.errors import Misconfigured

QUESTION = "How do I learn to swim quickly?"
MIB = 1 << 20
ONE_OF_ITS_OWN = """
import sys
from pathlib import Path
def resident():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024
before = resident()
from tokenharbor.cache.similar.model import installed, opened
embedder = opened(installed(), Path(sys.argv[1]))
for _ in range(50):
    embedder.embed("what is the longest river of all that flow from the mountains to the sea in this old land?")
print(resident() - before)
"""


def vectors(embedder: Embedder, text: str) -> Vectors:
    found = embedder.embed(text)
    assert found is not None
    return found


def test_the_same_in_other_words_is_more_alike_than_something_else(embedder: Embedder) -> None:
    mine = vectors(embedder, QUESTION)
    paraphrase = vectors(embedder, "What is a fast way to learn swimming?")
    other = vectors(embedder, "Who painted the ceiling of the Sistine Chapel?")
    assert likeness(mine, mine) == pytest.approx(1, abs=1e-5)
    assert alignment(mine, mine) > 0.98
    assert likeness(mine, paraphrase) > 0.75
    assert likeness(mine, other) < 0.3
    assert alignment(mine, other) < 0.5 < alignment(mine, vectors(embedder, "How can I learn to swim quickly?"))


def test_an_answer_serves_the_same_question_only(embedder: Embedder) -> None:
    def prompt(text: str) -> Prompt:
        return Prompt(read(text), vectors(embedder, text))

    stored = prompt(QUESTION)
    assert mismatch(stored, prompt("How can one learn to swim fast?")) is None
    assert mismatch(stored, prompt("How do I learn to swim slowly?")) == "content"
    homonym = prompt("What is it like to be widowed?")
    assert mismatch(homonym, prompt("What is it like to be a widow?")) == "likeness"


def test_a_prompt_of_more_pieces_than_are_embedded_has_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed("what is " + "a very " * 15) is None
    assert embedder.embed("what is " + "a very " * 14) is not None


def test_what_it_takes_is_within_its_bound(model_folder: Path) -> None:
    program = [sys.executable, "-c", ONE_OF_ITS_OWN, str(model_folder)]
    taken = int(subprocess.run(program, capture_output=True, check=True, text=True).stdout)
    assert 20 * MIB < taken < 120 * MIB, f"{taken / MIB:.0f} MiB"


def test_nothing_of_it_is_loaded_before_it_is_opened() -> None:
    program = "import sys, tokenharbor.app.build; print([m for m in ('numpy', 'onnxruntime') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_home_has_its_files_once(tmp_path: Path, model_folder: Path) -> None:
    made = opened(installed(), tmp_path / "model").embed(QUESTION)
    again = opened(installed(), model_folder).embed(QUESTION)
    assert made is not None
    assert again is not None
    assert likeness(made, again) == pytest.approx(1, abs=1e-6)
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["layers.onnx", "words.int8"]


def test_other_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(ValueError, match="not the published"):
        minilm_file.write(tmp_path / "model.safetensors", tmp_path / "made")
    with pytest.raises(Misconfigured, match="not the published"):
        opened(tmp_path, tmp_path / "made")


def test_where_it_is_not_installed_an_error_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "_PACKAGE", "no_such_package")
    with pytest.raises(Misconfigured) as refused:
        installed()
    assert str(refused.value) == HOW_TO_INSTALL
