"""The o200k tokenizer; importing this module loads its tables (about 50 ms and 70 MB), so import it only to count."""

from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Protocol, cast


class Tokenizer(Protocol):
    """Counts the tokens of a text; special tokens count as text."""

    def count(self, text: str) -> int: ...


def load(encoding: str) -> Tokenizer:
    """Load the extension module without its package, which would build the same tables again in Python: half a second
    and as much memory.
    """
    package = find_spec("bpe_openai")
    bindings = PathFinder.find_spec("_bindings", package.submodule_search_locations) if package else None
    if bindings is None or bindings.loader is None:
        raise ImportError("bpe-openai is not installed in the version of the lock file")
    module = module_from_spec(bindings)
    bindings.loader.exec_module(module)
    return cast("Tokenizer", module.tokenizer_for_encoding(encoding))


O200K: Tokenizer = load("o200k_base")
