"""Amounts as JSON numbers, for clients that read them so: written from whole nano-dollars, and never a float."""

import msgspec

from tokenharbor.kernel.money import Usd


class UsdNumber(Usd):
    """An amount of the books that an answer shows as a number of US dollars."""

    __slots__ = ()

    def as_json(self) -> msgspec.Raw:
        return msgspec.Raw(str(self).encode())
