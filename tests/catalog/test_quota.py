"""The providers' quotas: read from the file, and added up."""

from typing import Any

from tests.catalog.conftest import Load

from tokenharbor.catalog.quota import total_quota
from tokenharbor.catalog.types import ProviderQuota


def test_RLY_5_the_quotas_that_are_stated_add_up(load: Load, operator: dict[str, Any]) -> None:
    operator["providers"]["acme"]["quota"] = {"rpm": 4000, "tpm": 9, "concurrency": 3}
    operator["providers"]["other"]["quota"] = {"rpm": 500, "tpm": 0}
    catalog = load(operator)
    assert catalog.providers["other"].quota == ProviderQuota(500, 0, None)
    assert total_quota(catalog.providers.values()) == ProviderQuota(4500, 0, 3)


def test_RLY_5_no_shipped_provider_states_a_quota(load: Load) -> None:
    assert total_quota(load({}).providers.values()) == ProviderQuota(None, None, None)
