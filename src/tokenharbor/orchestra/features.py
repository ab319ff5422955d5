"""The features of a conversation's shape: values by readable name."""

from collections import Counter
from collections.abc import Mapping
from math import log1p

from tokenharbor.orchestra.lexicon import Lexicon
from tokenharbor.orchestra.shape import Shape

_SIGNS = b'!"#$%&()*+,./:;<=>?@[\\]^_`{|}~'  # hyphens and apostrophes join words
_MORE_SIGNS = "“”«»„。，：；！？（）「」、…–—"
_PUNCTUATION = bytes.maketrans(_SIGNS, b" " * len(_SIGNS))
_HEAD = 260  # characters at the beginning of a text that state its purpose
_SHORT = 400  # a shorter request consists only of its instruction
_MOST_LINES = 150
_SOFTWARE = frozenset({"code_words", "change", "fix", "test", "refactor", "developer_role"})
_TOOL_KINDS: Mapping[str, tuple[str, ...]] = {
    "edit": ("edit", "write", "patch", "replace", "create", "insert", "diff"),
    "run": ("bash", "shell", "exec", "run", "terminal", "command", "python"),
    "read": ("read", "grep", "glob", "search", "list", "ls", "view", "find", "cat"),
    "web": ("web", "fetch", "browser", "http"),
    "plan": ("plan", "todo", "question", "mode"),
}
_MARKS: Mapping[str, tuple[str, ...]] = {
    "diff": ("diff --git", "\n@@ ", "+++ b/", "```diff"),
    "trace": ("traceback (most recent", "\n    at ", "stack trace", "exception in thread", "error:"),
    "code": ("```", "def ", "function ", "class ", "import ", "#include", "();"),
    "dialogue": ("[user]:", "[assistant]:", "user:", "assistant:"),
    "template": ("{{", "$arguments", "{0}", "$diff"),
    "list": ("\n- ", "\n* ", "\n1. "),
    "heading": ("\n## ", "\n# "),
    "json": ("json", '{"'),
    "checklist": ("- [ ]", "☐"),
    "question": ("?", "？"),
    "issue": ("steps to reproduce", "expected result", "actual result", "expected behavior", "action performed"),
}


def features(shape: Shape, lexicon: Lexicon, vocabulary: frozenset[str] = frozenset()) -> dict[str, float]:
    """Return the features and their values. Single words are features only if the vocabulary has them."""
    values: dict[str, float] = {"bias": 1.0}
    fields = (("system", shape.system), ("first", shape.first), ("last", shape.last))
    concepts_by_field = [_of_text(values, name, text, lexicon, vocabulary) for name, text in fields if text]
    software = bool(shape.tools) or any(concepts.keys() & _SOFTWARE for concepts in concepts_by_field)
    opening = "system head " if shape.system else "last head "
    begins = len(opening)
    values.update({f"opening {name[begins:]}": 1.0 for name in values if name.startswith(opening)})
    if not software:
        values["no software"] = 1.0
        values.update(
            {f"no software, {concept}": 1.0 for concept in (concepts_by_field[-1] if concepts_by_field else ())}
        )
    if shape.last and len(shape.last) < _SHORT:
        values.update({f"short, {concept}": 1.0 for concept in concepts_by_field[-1]})
        values["short"] = 1.0
    _of_marks(values, shape)
    _of_tools(values, shape)
    _of_position(values, shape)
    return values


def word_of(name: str) -> str:
    """Return the word that a feature counts, or "" if it counts something else."""
    return name.partition("“")[2].removesuffix("”")


def tokens_of(text: str) -> list[str]:
    """Return a text's words, without punctuation."""
    return _without_signs(text).split()


def _without_signs(text: str) -> str:
    """Replace punctuation by spaces, except line breaks. `str.translate` takes ten times as long for text
    beyond ASCII.
    """
    plain = text.encode("utf-8", "surrogatepass").translate(_PUNCTUATION).decode("utf-8", "surrogatepass")
    if not plain.isascii():
        for sign in _MORE_SIGNS:
            plain = plain.replace(sign, " ")
    return plain


def _concepts(text: str, lexicon: Lexicon) -> dict[str, int]:
    words = text.split()
    return lexicon.concepts(Counter(words), " ".join(words))


def _of_text(
    values: dict[str, float], name: str, text: str, lexicon: Lexicon, vocabulary: frozenset[str]
) -> dict[str, int]:
    text = _without_signs(text)
    if len(text) < _SHORT:  # in a short text, one mistyped word may be the only cue
        text = "\n".join(" ".join(lexicon.corrected(line.split())) for line in text.split("\n"))
    words = text.split()
    counts = Counter(words)
    concepts = lexicon.concepts(counts, " ".join(words))
    total = sum(concepts.values()) or 1
    for concept, count in concepts.items():
        values[f"{name} {concept}"] = log1p(count) / 3
        values[f"{name} share {concept}"] = 2 * count / total
    for concept in _concepts(text[:_HEAD], lexicon):
        values[f"{name} head {concept}"] = 1.0
    if name == "last" and len(text) > _HEAD:
        for concept in _concepts(text[-_HEAD:], lexicon):
            values[f"last tail {concept}"] = 1.0
    _of_lines(values, name, text, lexicon)
    for word in vocabulary.intersection(counts):  # `keys() &` would iterate over the vocabulary
        values[f"{name} “{word}”"] = 0.3
    return concepts


def _of_lines(values: dict[str, float], name: str, text: str, lexicon: Lexicon) -> None:
    """Add the concepts at the beginnings of lines: headings and imperatives say what is to be done."""
    starts: list[str] = []
    for line in text.split("\n", _MOST_LINES)[:_MOST_LINES]:
        starts += line[:60].split(None, 2)[:2]
    concepts = lexicon.concepts(Counter(starts), "")
    total = sum(concepts.values()) or 1
    for concept, count in concepts.items():
        values[f"{name} lines {concept}"] = count / total


def _of_marks(values: dict[str, float], shape: Shape) -> None:
    for name, text in (("system", shape.system), ("last", shape.last)):
        for mark, signs in _MARKS.items():
            for sign in signs:
                if sign in text:
                    values[f"{name} has {mark}"] = 1.0
                    break


def _of_tools(values: dict[str, float], shape: Shape) -> None:
    names = "\n".join(shape.tools)
    for kind, words in _TOOL_KINDS.items():
        for word in words:
            if word in names:
                values[f"tools {kind}"] = 1.0
                break
    if not shape.tools:
        values["no tools"] = 1.0


def _of_position(values: dict[str, float], shape: Shape) -> None:
    values["several turns"] = float(shape.several_turns)
    values["no system prompt"] = float(not shape.system)
