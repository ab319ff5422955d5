"""The findings of `catalog check`."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from tokenharbor.catalog.check import Finding, FindingKind, check_catalog
from tokenharbor.catalog.types import Catalog

Load = Callable[[dict[str, Any]], Catalog]
Tables = dict[str, Any]
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def _about(catalog: Catalog, word: str) -> list[Finding]:
    return [finding for finding in check_catalog(catalog, AT) if word in finding.where]


def test_a_sound_catalogue_has_no_findings(load: Load, operator: Tables) -> None:
    assert check_catalog(load(operator), AT) == ()


def test_a_model_without_any_price_is_a_fault(load: Load, operator: Tables) -> None:
    for endpoint in operator["models"]["acme-v3.2"]["endpoints"]:
        del endpoint["price"]
    first, *rest = _about(load(operator), "acme-v3.2")
    assert (first.kind, first.fault) == (FindingKind.NO_PRICE, True)
    assert [(each.kind, each.fault) for each in rest] == [(FindingKind.NO_PRICE, False)] * 2


def test_one_endpoint_without_a_price_is_worth_a_look(load: Load, operator: Tables) -> None:
    del operator["models"]["acme-v3.2"]["endpoints"][1]["price"]
    (finding,) = _about(load(operator), "acme-v3.2")
    assert (finding.kind, finding.where, finding.fault) == (FindingKind.NO_PRICE, "model acme-v3.2 at other", False)


def test_a_model_that_nobody_sells_is_a_fault(load: Load, operator: Tables) -> None:
    del operator["models"]["acme-v3.2"]["endpoints"]
    (finding,) = _about(load(operator), "acme-v3.2")
    assert (finding.kind, finding.fault) == (FindingKind.NO_ENDPOINT, True)


def test_a_provider_without_a_credential_is_found_unless_it_takes_none(load: Load, operator: Tables) -> None:
    del operator["providers"]["acme"]["credential"]
    (finding,) = _about(load(operator), "provider acme")
    assert finding.kind is FindingKind.NO_CREDENTIAL
    operator["providers"]["acme"]["auth"] = "none"
    assert _about(load(operator), "provider acme") == []


@pytest.mark.parametrize(
    ("price", "says"),
    [
        ({"input": "2", "output": "1"}, "input 2 costs more than output 1"),
        ({"input": "1", "output": "2", "cache_read": "1.5"}, "cache_read 1.5 costs more than input 1"),
        ({"input": "1", "output": "2", "cache_write": "0.5"}, "input 1 costs more than cache_write_5m 0.5"),
        (
            {"input": "1", "output": "2", "cache_write": "1.5", "cache_write_1h": "1.25"},
            "cache_write_5m 1.5 costs more than cache_write_1h 1.25",
        ),
        ({"input": "1", "output": "2", "reasoning": "1.9"}, "output 2 costs more than reasoning 1.9"),
        (
            {"input": "1", "output": "2", "steps": [{"above_input": 5, "output": "0.5"}]},
            "above 5 tokens of input, input 1 costs more than output 0.5",
        ),
    ],
)
def test_classes_in_an_unusual_order_are_found(load: Load, operator: Tables, price: Tables, says: str) -> None:
    operator["models"]["acme-v3.2"]["endpoints"][1]["price"] = price
    (finding,) = _about(load(operator), "acme-v3.2")
    assert (finding.kind, finding.message) == (FindingKind.PRICE, says)


def test_a_name_that_leads_elsewhere_is_found(load: Load, operator: Tables) -> None:
    operator["models"]["acme/acme-v3.2"] = {**operator["models"]["acme-v3.2"], "aliases": []}
    findings = [each for each in check_catalog(load(operator), AT) if each.kind is FindingKind.SHADOWED]
    assert [each.where for each in findings] == ["model acme-v3.2"]
    assert "'acme/acme-v3.2' " in findings[0].message


def test_faults_come_first(load: Load, operator: Tables) -> None:
    del operator["providers"]["acme"]["credential"]
    del operator["models"]["acme-v3.2"]["endpoints"]
    assert [each.fault for each in check_catalog(load(operator), AT)] == [True, False]


def test_F2_a_provider_that_states_no_field_for_the_maximum_is_found(load: Load, operator: Tables) -> None:
    del operator["providers"]["acme"]["max_field"]
    (finding,) = _about(load(operator), "provider acme")
    assert (finding.kind, finding.fault) == (FindingKind.NO_MAX_FIELD, False)
    operator["providers"]["acme"]["max_field"] = "none"
    assert _about(load(operator), "provider acme") == []


def test_a_model_whose_announced_end_has_come_is_worth_a_look(load: Load, operator: Tables) -> None:
    operator["models"]["acme-v3.2"]["retires"] = date(2026, 11, 22)
    assert _about(load(operator), "acme-v3.2") == []
    operator["models"]["acme-v3.2"]["retires"] = date(2026, 11, 21)
    (finding,) = _about(load(operator), "acme-v3.2")
    assert (finding.kind, finding.fault) == (FindingKind.RETIRED, False)
