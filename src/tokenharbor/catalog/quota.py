"""The providers' quotas together: what all of them grant us, which limits of accounts can be a share of."""

from collections.abc import Collection

from tokenharbor.catalog.types import Provider, ProviderQuota


def total_quota(providers: Collection[Provider]) -> ProviderQuota:
    """The sum of what is stated; 0, unlimited, where one of them is; None where none of them states it."""
    quotas = [provider.quota for provider in providers]
    return ProviderQuota(
        rpm=_total([quota.rpm for quota in quotas]),
        tpm=_total([quota.tpm for quota in quotas]),
        concurrency=_total([quota.concurrency for quota in quotas]),
    )


def _total(stated: Collection[int | None]) -> int | None:
    known = [each for each in stated if each is not None]
    if not known:
        return None
    return sum(known) if all(known) else 0
