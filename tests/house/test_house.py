"""The house rules, each held against every file of the checkout."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import pytest
from tests.house import code_rules, text_rules
from tests.house.checkout import HOUSE, Source, read_checkout

Rule = Callable[[Source], Iterator[str]]
RULES: Final[tuple[Rule, ...]] = (
    text_rules.opens_with_a_sentence,
    text_rules.fits_on_a_desk,
    text_rules.is_finished,
    text_rules.belongs_to_no_machine,
    text_rules.explains_its_exceptions,
    code_rules.names_nobody,
    code_rules.counts_money_in_whole_numbers,
    code_rules.swallows_nothing,
    code_rules.keeps_no_state,
    code_rules.keeps_functions_short,
    code_rules.runs_every_test,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps_the_rule(rule: Rule) -> None:
    findings = [finding for source in read_checkout() for finding in rule(source)]
    assert not findings, "\n" + "\n".join(findings)


def test_every_public_class_has_a_name_of_its_own() -> None:
    findings = list(code_rules.repeats_no_class_name(read_checkout()))
    assert not findings, "\n" + "\n".join(findings)


@pytest.mark.parametrize(
    ("rule", "excuses"),
    [
        (code_rules.names_nobody, code_rules.EXCUSED_NAMES),
        (code_rules.counts_money_in_whole_numbers, code_rules.DURATIONS),
    ],
)
def test_every_excuse_is_still_needed(
    rule: Callable[[Source, Mapping[str, str]], Iterator[str]], excuses: Mapping[str, str]
) -> None:
    sources = {source.path: source for source in read_checkout()}
    for excuse in excuses:
        source = sources[HOUSE + excuse.partition(":")[0]]
        others = {name: why for name, why in excuses.items() if name != excuse}
        assert list(rule(source, others)), f"{excuse}: nothing needs this excuse any more"
