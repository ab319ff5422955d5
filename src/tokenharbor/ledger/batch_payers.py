"""The payers of a batch: its distinct accounts and keys, each row's place among them, and the sums of each."""

from collections.abc import Sequence
from operator import attrgetter

import msgspec

from tokenharbor.kernel.payer import Payer


class BatchPayers(msgspec.Struct, frozen=True):
    """The payers of a batch, distinct by object identity. Accounts are sorted: the database locks them in this order.
    Places count from 0 (PostgreSQL's from 1). With `is_alike`, no two payers share an account or a key, and a payer's
    account and key have the payer's own place.
    """

    distinct: Sequence[Payer]
    accounts: Sequence[str]
    keys: Sequence[str]
    account_of: Sequence[int]  # by payer
    key_of: Sequence[int]
    rows: Sequence[int]  # by row: its payer
    is_alike: bool
    is_limited: bool

    def sums(self, amounts: Sequence[int], tokens: Sequence[int]) -> Sequence[str]:
        """Return "rows,amount,tokens" for each account, then for each key."""
        if len(self.distinct) == 1:
            return [f"{len(amounts)},{int(sum(amounts))},{sum(tokens)}"] * 2
        if self.is_alike and len(self.distinct) == len(amounts):
            own = [""] * len(amounts)
            for row, amount, count in zip(self.rows, amounts, tokens, strict=True):
                own[row] = f"1,{int(amount)},{count}"
            return own * 2
        accounts = _add(self.rows, self.account_of, amounts, tokens)
        return [*accounts, *(accounts if self.is_alike else _add(self.rows, self.key_of, amounts, tokens))]

    def limits(self) -> Sequence[str]:
        """Return the rate limits of each account, then of each key; of several payers for one, those of the newest."""
        if self.is_alike:
            payers = self.distinct
            return [*[p.account_limits.elements for p in payers], *[p.key_limits.elements for p in payers]]
        accounts = dict(zip(self.account_of, [payer.account_limits.elements for payer in self.distinct], strict=True))
        keys = dict(zip(self.key_of, [payer.key_limits.elements for payer in self.distinct], strict=True))
        return [*accounts.values(), *keys.values()]

    def owners(self) -> Sequence[int]:
        """Return the place of each key's account, or -1 if payers disagree."""
        owners = [-2] * len(self.keys)
        for account, key in zip(self.account_of, self.key_of, strict=True):
            owners[key] = account if owners[key] in (-2, account) else -1
        return owners


def batch_payers(payers: Sequence[Payer]) -> BatchPayers:
    """Return the payers of a batch; `payers` has one for each row."""
    found = dict(zip(map(id, payers), payers, strict=True))
    if len(found) == 1:
        first = payers[0]
        one = (first.account_hex,), (first.key_hex,), (0,), (0,)
        return BatchPayers((first,), *one, [0] * len(payers), True, first.is_limited)  # noqa: FBT003  by place
    distinct = sorted(found.values(), key=_ACCOUNT_HEX)
    places = dict(zip(map(id, distinct), range(len(distinct)), strict=True))
    account_of, accounts = _numbered([payer.account_hex for payer in distinct])
    key_of, keys = _numbered([payer.key_hex for payer in distinct])
    return BatchPayers(
        distinct,
        accounts,
        keys,
        account_of,
        key_of,
        list(map(places.__getitem__, map(id, payers))),
        len(accounts) == len(keys) == len(distinct),
        any([payer.is_limited for payer in distinct]),  # noqa: C419  a generator costs more
    )


_ACCOUNT_HEX = attrgetter("account_hex")


def _numbered(ids: Sequence[str]) -> tuple[Sequence[int], Sequence[str]]:
    """Return the place of each id among the distinct ids, and the distinct ids in order."""
    if len(set(ids)) == len(ids):
        return range(len(ids)), ids
    places: dict[str, int] = {}
    return [places.setdefault(each, len(places)) for each in ids], list(places)


def _add(rows: Sequence[int], places: Sequence[int], amounts: Sequence[int], tokens: Sequence[int]) -> Sequence[str]:
    """Add up rows, amounts and tokens by place; `places` has each payer's place."""
    length = max(places) + 1
    counts, of_amounts, of_tokens = [0] * length, [0] * length, [0] * length
    for row, amount, count in zip(rows, amounts, tokens, strict=True):
        place = places[row]
        counts[place] += 1
        of_amounts[place] += amount
        of_tokens[place] += count
    return [f"{a},{int(b)},{c}" for a, b, c in zip(counts, of_amounts, of_tokens, strict=True)]
