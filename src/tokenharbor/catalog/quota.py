"""The total of the providers' quotas, of which accounts' limits can be a share."""

from collections.abc import Collection

from tokenharbor.catalog.types import Provider, ProviderQuota


def total_quota(providers: Collection[Provider]) -> ProviderQuota:
    """Return the sum of the stated quotas; 0 (unlimited) if one is unlimited; None if none is stated."""
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
