"""What caches saved, by layer, and its document."""

from dataclasses import dataclass
from typing import Self

from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import Usd


@dataclass(frozen=True, slots=True)
class Savings:
    """Of our exact and semantic cache: what hits would have cost. Of the vendors' own: what reads of them saved, less
    what writes to them cost more.
    """

    exact: Usd
    semantic: Usd
    vendor: Usd

    @property
    def total(self) -> Usd:
        return Usd(self.exact + self.semantic + self.vendor)


class SavedDocument(Document, frozen=True, kw_only=True):
    """What caches saved. Of our exact and semantic one: what hits would have cost. Of the vendors' own: what reads of
    them cost less than input, less what writes to them cost more; this may be negative, and the total, too.
    """

    total_usd: Usd
    exact_usd: Usd
    semantic_usd: Usd
    vendor_usd: Usd

    @classmethod
    def of(cls, saved: Savings) -> Self:
        return cls(
            total_usd=saved.total,
            exact_usd=saved.exact,
            semantic_usd=saved.semantic,
            vendor_usd=saved.vendor,
        )
