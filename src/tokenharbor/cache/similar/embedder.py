"""MiniLM on one thread: a vector of a prompt, and one of each of its words. Imported only once the cache is used."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime

from tokenharbor.cache.similar.minilm_file import GRAPH, PLACES, TABLE, WIDTH
from tokenharbor.cache.similar.reading import WORDS
from tokenharbor.cache.similar.wordpiece import WordPieces

_RUN = 14  # words embedded at a time, usually one or two pieces each


@dataclass(frozen=True, slots=True)
class Vectors:
    """The vectors of a prompt: `whole` of length 1, and `words`, one row per word, of length 127 in int8. `content`
    marks the rows of content words.
    """

    whole: Any
    words: Any
    content: Any

    def pack(self) -> tuple[bytes, bytes, bytes]:
        return self.whole.tobytes(), self.words.tobytes(), self.content.tobytes()

    @classmethod
    def unpack(cls, packed: tuple[bytes, bytes, bytes]) -> Self:
        whole, words, content = packed
        return cls(
            np.frombuffer(whole, np.float32),
            np.frombuffer(words, np.int8).reshape(-1, WIDTH),
            np.frombuffer(content, np.bool_),
        )


class Embedder:
    """One onnxruntime session. Call it from one thread at a time."""

    def __init__(self, folder: Path, vocabulary: Path) -> None:
        with vocabulary.open(encoding="utf-8") as lines:
            self._pieces = WordPieces.of_lines(lines)
        table, count = np.memmap(folder / TABLE, np.uint8, "r"), len(self._pieces.numbers)
        rows, scales = count * WIDTH, count * (WIDTH + 4)
        self._rows = table[:rows].view(np.int8).reshape(count, WIDTH)
        self._scales = table[rows:scales].view(np.float32)
        self._places = table[scales:].view(np.float32).reshape(PLACES, WIDTH)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(folder / GRAPH), options, providers=["CPUExecutionProvider"])

    def embed_long(self, text: str) -> Any:
        """Return the mean vector of a text of any length, embedded piece by piece; None if a piece cannot be."""
        words = text.split()
        runs = [" ".join(words[at : at + _RUN]) for at in range(0, len(words), _RUN)]
        found = [vectors.whole for run in runs if (vectors := self.embed(run)) is not None]
        return _unit(np.mean(found, axis=0)) if len(found) == len(runs) and found else None

    def embed(self, text: str) -> Vectors | None:
        """Return a prompt's vectors, or None if it is too long or has no words."""
        read = self._pieces.read(text, PLACES)
        if read is None or not read.words:
            return None
        ids = np.array(read.ids)
        given = self._rows[ids] * self._scales[ids][:, None] + self._places[: len(ids)]
        states = self._session.run(None, {"in": given[None].astype(np.float32)})[0][0]
        words = np.zeros((len(read.words), WIDTH), np.float32)
        np.add.at(words, np.array(read.word_of), states[1:-1])
        content = [word[0].isalnum() and not WORDS.is_function(word) for word in read.words]
        return Vectors(_unit(states.mean(axis=0)), np.rint(_unit(words) * 127).astype(np.int8), np.array(content))


def _unit(values: Any) -> Any:
    return values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-9)


def likeness(one: Vectors, other: Vectors) -> float:
    """Return the cosine similarity of two prompts, from -1 to 1."""
    return float(one.whole @ other.whole)


def alignment(one: Vectors, other: Vectors) -> float:
    """Return the lowest similarity, from -1 to 1, of any content word of either prompt to its closest word in the
    other.
    """
    table = one.words.astype(np.float32) @ other.words.astype(np.float32).T / np.float32(127 * 127)
    met = (*table.max(axis=1)[one.content], *table.max(axis=0)[other.content])
    return float(min(met, default=1.0))
