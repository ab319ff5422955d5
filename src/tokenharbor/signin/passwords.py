"""Passwords: the rules they must meet, and their slow hash (argon2id), computed in one thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from tokenharbor.kernel.entropy import Entropy
from tokenharbor.kernel.errors import Rejected
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.signin.common_passwords import CommonPasswords

R = TypeVar("R")

SHORTEST: Final = 10
LONGEST: Final = 200

_MEMORY_KIB = 19_456  # with two passes, as OWASP recommends when memory is scarce
_PASSES = 2
_SALT_BYTES = 16
_FEWEST_LETTERS = 5  # different characters
_SHORT_ENDING = 4


class Passwords:
    """Checks, hashes and verifies passwords. Verifying takes as long for a user without a password."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._hasher = PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=1)
        self._common = CommonPasswords()
        self._thread = ThreadPoolExecutor(1, "passwords")
        self._nobody = self._hasher.hash(entropy.bytes(_SALT_BYTES), salt=entropy.bytes(_SALT_BYTES))

    def check(self, password: str, email: str, *, param: str = "password") -> None:
        """Check a new password. Raises Rejected, with `param`, for one that is easy to guess."""
        plain = password.casefold()
        if not SHORTEST <= len(password) <= LONGEST:
            fault = f"a password must have {SHORTEST} to {LONGEST} characters"
            raise Rejected(fault, param=param).because(ErrorReason.PASSWORD_LENGTH, least=SHORTEST, most=LONGEST)
        if len(set(plain)) < _FEWEST_LETTERS:
            fault = f"a password must have at least {_FEWEST_LETTERS} different characters"
            raise Rejected(fault, param=param).because(ErrorReason.PASSWORD_LETTERS, least=_FEWEST_LETTERS)
        if any(len(part) >= _SHORT_ENDING and part in plain for part in (email, email.partition("@")[0])):
            fault = "a password must not contain the e-mail address"
            raise Rejected(fault, param=param).because(ErrorReason.PASSWORD_HAS_EMAIL)
        if self._is_common(plain):
            fault = "this password was found in a breach of another service: choose another"
            raise Rejected(fault, param=param).because(ErrorReason.PASSWORD_BREACHED)

    async def hash(self, password: str) -> str:
        salt = self._entropy.bytes(_SALT_BYTES)
        return await self._run(partial(self._hasher.hash, password, salt=salt))

    async def verify(self, password: str, hashed: str) -> bool:
        """Return whether the password matches the hash. An empty hash takes as long, and never matches."""
        return await self._run(partial(self._verify, password, hashed or self._nobody)) and bool(hashed)

    def is_outdated(self, hashed: str) -> bool:
        """Return whether the hash was made with outdated costs."""
        return self._hasher.check_needs_rehash(hashed)

    async def _run(self, work: Callable[[], R]) -> R:
        """Run `work` in the one thread: it reuses its memory, while several threads would each need their own."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _verify(self, password: str, hashed: str) -> bool:
        try:
            return len(password) <= LONGEST and self._hasher.verify(hashed, password)
        except (VerifyMismatchError, InvalidHashError):
            return False

    def _is_common(self, plain: str) -> bool:
        """Return whether the password is common, as is or with a few digits or signs appended."""
        word = plain.rstrip("0123456789!?.,;:-_#*+@$ ")
        ending = len(plain) - len(word)
        return plain in self._common or (bool(word) and ending <= _SHORT_ENDING and word in self._common)
