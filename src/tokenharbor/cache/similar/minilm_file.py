"""Converts MiniLM's published weights, from the package that has them, into an int8 graph for onnxruntime."""

import hashlib
import json
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

LAYERS, WIDTH, HEADS, PLACES = 6, 384, 12, 32
TABLE, GRAPH = "words.int8", "layers.onnx"
# all-MiniLM-L6-v2 as published: other weights would need other thresholds
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_FLOAT, _INT8 = 1, 3
_OWN = "com.microsoft"  # onnxruntime's fused operators


def write(weights: Path, folder: Path) -> None:
    """Write the graph of the layers and the table of the word pieces to a folder."""
    raw = weights.read_bytes()
    if hashlib.sha256(raw).hexdigest() != SHA256:
        raise ValueError(f"{weights} is not the published all-MiniLM-L6-v2")
    tensors = dict(_tensors(raw))
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / TABLE, _table(tensors))
    _replace(folder / GRAPH, _model(tensors))


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_suffix(f".{os.getpid()}")  # several workers may write at once
    fresh.write_bytes(data)
    fresh.replace(path)


def _tensors(raw: bytes) -> Iterator[tuple[str, Any]]:
    (length,) = struct.unpack_from("<Q", raw)
    base = 8 + length
    for name, told in json.loads(raw[8:base]).items():
        if told.get("dtype") == "F32":
            start, end = told["data_offsets"]
            yield name, np.frombuffer(raw, np.float32, (end - start) // 4, base + start).reshape(told["shape"])


def _int8(weights: Any) -> tuple[Any, Any]:
    """Return the weights as integers from -127 to 127, and the scale of each column."""
    scale = np.maximum(np.abs(weights).max(axis=0), 1e-9).astype(np.float32) / np.float32(127)
    return np.rint(weights / scale).astype(np.int8), scale


def _table(tensors: dict[str, Any]) -> bytes:
    rows, scale = _int8(tensors["embeddings.word_embeddings.weight"].T)
    places = tensors["embeddings.position_embeddings.weight"][:PLACES]
    places = places + tensors["embeddings.token_type_embeddings.weight"][0]
    return bytes(rows.T.tobytes() + scale.tobytes() + places.astype(np.float32).tobytes())


@dataclass(frozen=True, slots=True)
class _Graph:
    nodes: list[bytes]
    constants: list[bytes]

    def add(self, operator: str, inputs: Iterable[str], outputs: Iterable[str], **attributes: float) -> None:
        parts = [_text(1, name) for name in inputs] + [_text(2, name) for name in outputs] + [_text(4, operator)]
        parts += [_bytes(5, _attribute(name, value)) for name, value in attributes.items()]
        own = [] if operator in {"Split", "LayerNormalization"} else [_text(7, _OWN)]
        self.nodes.append(b"".join(parts + own))

    def keep(self, name: str, values: Any, kind: int = _FLOAT) -> str:
        dims = b"".join(_int(1, size) for size in values.shape)
        data = np.ascontiguousarray(values).tobytes()
        self.constants.append(dims + _int(2, kind) + _text(8, name) + _bytes(9, data))
        return name

    def dense(self, given: str, name: str, weights: Any, bias: Any) -> str:
        whole, scale = _int8(weights)
        zeros = self.keep(name + ".zero", np.zeros(len(scale), np.int8), _INT8)
        constants = self.keep(name + ".weight", whole, _INT8), self.keep(name + ".scale", scale), zeros
        self.add("DynamicQuantizeMatMul", (given, *constants, self.keep(name + ".bias", bias)), (name,))
        return name

    def add_and_norm(self, given: str, other: str, name: str, norm: tuple[Any, Any]) -> str:
        gamma, beta = self.keep(name + ".gamma", norm[0]), self.keep(name + ".beta", norm[1])
        self.add("SkipLayerNormalization", (given, other, gamma, beta), (name,), epsilon=1e-12)
        return name


def _model(tensors: dict[str, Any]) -> bytes:
    graph = _Graph([], [])
    gamma, beta = (tensors[f"embeddings.LayerNorm.{part}"] for part in ("weight", "bias"))
    graph.add("LayerNormalization", ("in", graph.keep("gamma", gamma), graph.keep("beta", beta)), ("x",), epsilon=1e-12)
    state = "x"
    for number in range(LAYERS):
        state = _layer(graph, state, f"l{number}", _part(tensors, f"encoder.layer.{number}."))
    body = b"".join(_bytes(1, node) for node in graph.nodes) + _text(2, "minilm")
    body += b"".join(_bytes(5, constant) for constant in graph.constants)
    body += _bytes(11, _value("in")) + _bytes(12, _value(state))
    versions = _bytes(8, _int(2, 17)) + _bytes(8, _text(1, _OWN) + _int(2, 1))
    return _int(1, 8) + _bytes(7, body) + versions


def _part(tensors: dict[str, Any], start: str) -> dict[str, Any]:
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def _layer(graph: _Graph, state: str, name: str, given: dict[str, Any]) -> str:
    views = [f"attention.self.{view}" for view in ("query", "key", "value")]
    weights = np.concatenate([given[f"{view}.weight"].T for view in views], axis=1)
    joined = graph.dense(state, name + ".qkv", weights, np.concatenate([given[f"{view}.bias"] for view in views]))
    parts = [f"{name}.{view}" for view in "qkv"]
    graph.add("Split", (joined,), parts, axis=2)
    graph.add("MultiHeadAttention", parts, (name + ".seen",), num_heads=HEADS)

    def dense(of: str, part: str, key: str) -> str:
        return graph.dense(of, f"{name}.{part}", given[f"{key}.weight"].T, given[f"{key}.bias"])

    def norm(key: str) -> tuple[Any, Any]:
        return given[f"{key}.LayerNorm.weight"], given[f"{key}.LayerNorm.bias"]

    seen = dense(name + ".seen", "o", "attention.output.dense")
    middle = graph.add_and_norm(seen, state, name + ".mid", norm("attention.output"))
    graph.add("Gelu", (dense(middle, "up", "intermediate.dense"),), (name + ".gelu",))
    return graph.add_and_norm(dense(name + ".gelu", "down", "output.dense"), middle, name + ".out", norm("output"))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _int(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())


def _attribute(name: str, value: float) -> bytes:
    if isinstance(value, int):
        return _text(1, name) + _int(3, value) + _int(20, 2)
    return _text(1, name) + _varint(2 << 3 | 5) + struct.pack("<f", value) + _int(20, 1)


def _value(name: str) -> bytes:
    dims = _bytes(1, _int(1, 1)) + _bytes(1, _text(2, "n")) + _bytes(1, _int(1, WIDTH))
    return _text(1, name) + _bytes(2, _bytes(1, _int(1, _FLOAT) + _bytes(2, dims)))


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
