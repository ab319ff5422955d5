"""The savings of caches by layer, and their document."""

from dataclasses import dataclass
from typing import Self

from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import Usd


@dataclass(frozen=True, slots=True)
class Savings:
    """The savings of caches. For our exact and semantic cache: what hits would have cost. For the vendors' own caches:
    what reads saved, less the extra cost of writes.
    """

    exact: Usd
    semantic: Usd
    vendor: Usd

    @property
    def total(self) -> Usd:
        return Usd(self.exact + self.semantic + self.vendor)


class SavedDocument(Document, frozen=True, kw_only=True):
    """The savings of caches. For our exact and semantic cache: what hits would have cost. For the vendors' own caches:
    what reads cost less than input, less the extra cost of writes; this may be negative, and so may the total.
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
