"""House rules for Python, each a function from a file to what is wrong with it."""

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from tests.house.checkout import HOUSE, ROOT, Source

LONGEST_FUNCTION: Final = 60

# ---- nobody's name

EXCUSED_NAMES: Final[Mapping[str, str]] = {
    "app/settings.py: token-harbor": "the default edition, which the contract names",
}
"""Where a provider's, vendor's or edition's name may stand after all, and why."""

_DIALECT_ROOMS = re.compile(rf"{HOUSE}(wire|simulator)/")
_ONE_WORD = re.compile(r"[\w./:*-]+", re.ASCII)


def _known_names() -> frozenset[str]:
    house = ROOT / HOUSE
    names = {path.stem for folder in ("catalog/providers", "editions") for path in (house / folder).glob("*.toml")}
    for path in (house / "catalog/models").glob("*.toml"):
        models = tomllib.loads(path.read_text("utf-8"))["models"].values()
        names |= {model["vendor"] for model in models if "vendor" in model}
    return frozenset(names)


NAMES: Final = _known_names()
_DIALECTS = re.compile(
    "|".join(sorted(path.name for path in (ROOT / HOUSE / "wire/dialects").iterdir() if path.is_dir()))
)


def names_nobody(source: Source, excused: Mapping[str, str] = EXCUSED_NAMES) -> Iterator[str]:
    """No provider's, vendor's or edition's name is a value; a dialect's own room may carry it."""
    if not source.is_python or not source.path.startswith(HOUSE) or _DIALECT_ROOMS.match(source.path):
        return
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, (str, bytes)):
            continue
        text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        if not _ONE_WORD.fullmatch(text):  # prose is for people
            continue
        words = {text.lower(), *re.split(r"[^a-z0-9]", _DIALECTS.sub("", text.lower()))}
        for name in sorted(words & NAMES):
            if f"{source.path.removeprefix(HOUSE)}: {name}" not in excused:
                yield source.at(node.lineno, f"{name!r} is a name of the catalogue or an edition: read it from there")


# ---- one class, one name


def repeats_no_class_name(sources: Iterable[Source]) -> Iterator[str]:
    """A public class has a name of its own in the house, without any exception."""
    places: dict[str, set[str]] = {}
    for source in sources:
        if source.is_python and source.path.startswith(HOUSE):
            path = source.path.removeprefix(HOUSE)
            for name in _public_classes(source.tree):
                places.setdefault(name, set()).add(path)
    for name, where in sorted(places.items()):
        if len(where) > 1:
            yield f"class {name} is in {', '.join(sorted(where))}: one name for one thing"


def _public_classes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


# ---- whole money

_MONEY = re.compile(rf"{HOUSE}(ledger/|billing/|accounts/|payments/|funding/|kernel/money\.py|catalog/pric\w*\.py)")

DURATIONS: Final[Mapping[str, str]] = {
    "ledger/store.py: _PLACE_PAUSES": "seconds before a batch is tried again",
    "ledger/store.py: _END_PAUSES": "seconds before a batch is tried again",
    "ledger/batch_runner.py: pauses": "seconds before a batch is tried again",
    "billing/meter.py: first_at": "a reading of the monotonic clock, in seconds",
    "billing/meter.py: started": "a reading of the monotonic clock, in seconds",
    "billing/meter.py: now": "a reading of the monotonic clock, in seconds",
}
"""Floats in rooms of money: none is an amount. Names that end in a unit of time explain themselves."""

_SAYS_SECONDS = re.compile(r".*_(seconds|ms)", re.IGNORECASE)


def counts_money_in_whole_numbers(source: Source, excused: Mapping[str, str] = DURATIONS) -> Iterator[str]:
    """No float, no true division and no rounding but the house's own where money is counted."""
    if not _MONEY.match(source.path) or not source.is_python:
        return
    for owner, node in _owned(source.tree, ""):
        is_float = isinstance(node, ast.Name) and node.id == "float"
        is_float |= isinstance(node, ast.Constant) and isinstance(node.value, float)
        is_float |= isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div)
        is_float |= isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "round"
        told = _SAYS_SECONDS.fullmatch(owner) or f"{source.path.removeprefix(HOUSE)}: {owner}" in excused
        if is_float and not told:
            yield source.at(getattr(node, "lineno", 1), f"a float, a division or a rounding near money, in {owner!r}")


def _owned(node: ast.AST, owner: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node below, with the name of what it is part of: a variable, a parameter, a function."""
    yield owner, node
    for child in ast.iter_child_nodes(node):
        yield from _owned(child, _name_of(child) or owner)


def _name_of(node: ast.AST) -> str:
    match node:
        case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name
        case ast.Assign(targets=[target]) | ast.AnnAssign(target=target):
            return ast.unparse(target).rpartition(".")[2]
    return ""


# ---- no error is lost


def swallows_nothing(source: Source) -> Iterator[str]:
    """Who catches every error raises it again, or hands it on to somebody."""
    if not source.is_python:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _passes_on(node):
            yield source.at(node.lineno, "a broad except that neither raises nor passes the error on")
        if isinstance(node, ast.Call) and _last_name(node.func) == "suppress" and any(map(_is_broad, node.args)):
            yield source.at(node.lineno, "every error is suppressed")


def _last_name(called: ast.expr) -> str:
    match called:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _is_broad(caught: ast.expr | None) -> bool:
    each = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(one is None or ast.unparse(one) in ("Exception", "BaseException") for one in each)


def _passes_on(handler: ast.ExceptHandler) -> bool:
    inside = [node for statement in handler.body for node in ast.walk(statement)]
    return any(
        isinstance(node, ast.Raise)
        or (isinstance(node, ast.Name) and handler.name is not None and node.id == handler.name)
        for node in inside
    )


# ---- no state in modules

_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*|__\w+__")
_ALIAS = re.compile(r"_?[A-Z][A-Za-z0-9]*(_co|_contra)?")
_CHANGING = frozenset({"dict", "list", "set", "deque", "defaultdict", "Counter", "OrderedDict", "bytearray"})
_CHANGES = frozenset(
    {"append", "add", "update", "setdefault", "extend", "insert", "pop", "popitem", "popleft", "remove", "discard"}
    | {"clear", "appendleft", "sort", "reverse"}
)
_FIXED = re.compile(r"(Final\[)?(Mapping|Sequence|Collection|tuple|frozenset)\b")


def keeps_no_state(source: Source) -> Iterator[str]:
    """A module's names are constants, types, functions and loggers; what could change does not, and nobody caches."""
    if source.is_python and source.path.startswith(HOUSE):
        yield from _remembering(source)
        yield from _changing(source)


def _remembering(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Global):
            yield source.at(node.lineno, f"global {', '.join(node.names)}")
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for decorator in node.decorator_list:
                if re.search(r"\b(lru_)?cache\b", ast.unparse(decorator)):
                    yield source.at(node.lineno, f"{node.name} remembers its answers for the whole process")


def _changing(source: Source) -> Iterator[str]:
    changed = set(_changed_names(source.tree))
    for line, name, annotation, value in _module_names(source.tree):
        if not (_CONSTANT.fullmatch(name) or _is_type(name, value) or _is_function(value)):
            yield source.at(line, f"{name}: a module's name is a CONSTANT, a type, a function or a logger")
        if _can_change(value) and name in changed:
            yield source.at(line, f"{name} is changed while the program runs")
        if _can_change(value) and not name.startswith("_") and not _FIXED.match(annotation):
            yield source.at(line, f"{name} can be changed by others: annotate it as a Mapping or Sequence")


def _module_names(tree: ast.Module) -> Iterator[tuple[int, str, str, ast.expr | None]]:
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for name, value in zip(names, values, strict=True):
                    yield statement.lineno, ast.unparse(name), "", value
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=value):
                yield from ((statement.lineno, ast.unparse(name), "", value) for name in names)
            case ast.Assign(targets=targets, value=value):
                yield from ((statement.lineno, ast.unparse(target), "", value) for target in targets)
            case ast.AnnAssign(target=target, annotation=annotation, value=value):
                yield statement.lineno, ast.unparse(target), ast.unparse(annotation), value
            case ast.AugAssign(target=target, value=value):
                yield statement.lineno, f"{ast.unparse(target)} (changed)", "", value


def _is_type(name: str, value: ast.expr | None) -> bool:
    if not _ALIAS.fullmatch(name):
        return False
    if isinstance(value, ast.Call):
        return ast.unparse(value.func) in ("TypeVar", "ParamSpec", "NewType")
    return isinstance(value, (ast.Subscript, ast.Name, ast.Attribute, ast.BinOp))


def _is_function(value: ast.expr | None) -> bool:
    """A bound method (`Decoder(X).decode`) or a logger."""
    if isinstance(value, ast.Call):
        return ast.unparse(value.func) == "structlog.get_logger"
    return isinstance(value, ast.Attribute)


def _can_change(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).rpartition(".")[2] in _CHANGING
    return isinstance(value, (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp))


def _changed_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                yield name
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in _CHANGES:
                yield name
            case ast.AugAssign(target=ast.Name(id=name)):
                yield name


# ---- short functions


def keeps_functions_short(source: Source) -> Iterator[str]:
    if not source.is_python:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield source.at(node.lineno, f"{node.name} has {length} lines; {LONGEST_FUNCTION} at most")


# ---- no test that does not run

_SKIPPING = frozenset({"skip", "skipif", "xfail", "importorskip", "skipTest"})


def runs_every_test(source: Source) -> Iterator[str]:
    """What a test needs is there, or it fails and says so."""
    if not source.is_python or PurePosixPath(source.path).parts[0] != "tests":
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in _SKIPPING and ast.unparse(node).startswith("pytest."):
            yield source.at(node.lineno, f"{ast.unparse(node)}: a test that does not run proves nothing")
