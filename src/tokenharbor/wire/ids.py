"""Ids of calls and answers, made fit for dialects that allow fewer characters than the one they come from."""

import hashlib
import re

FIT_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""What a tool may be called in dialects that are strict about it."""

_UNFIT = re.compile(r"[^A-Za-z0-9_-]")
_PREFIX = re.compile(r"^(?:msg_|chatcmpl-|resp_)+")


def fit_call(id_: str, most: int = 64) -> str:
    """A call's id in letters, digits, `_` and `-`, of at most `most` characters: as it is if it fits, else another one
    that is the same each time and unlike those of other ids, so that results still find their calls.
    """
    plain = _UNFIT.sub("_", id_)
    if plain == id_ and 0 < len(id_) <= most:
        return id_
    mark = hashlib.blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{plain[: most - 13]}_{mark}"


def fit_answer(id_: str, prefix: str) -> str:
    """An answer's id as a dialect begins it."""
    return id_ if id_.startswith(prefix) else prefix + _UNFIT.sub("_", _PREFIX.sub("", id_))
