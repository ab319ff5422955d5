"""Amounts as JSON numbers, for clients that expect them: written from whole nano-dollars, never through a float."""

import msgspec

from tokenharbor.kernel.money import Usd


class UsdNumber(Usd):
    """An amount in US dollars that JSON shows as a number."""

    __slots__ = ()

    def as_json(self) -> msgspec.Raw:
        return msgspec.Raw(str(self).encode())
