"""Quotes: an upper bound on every endpoint of the route, and caps for a small wallet."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.billing.offers import AT, MODEL, POLICY, offer, request
from tests.editions.derived import derive

from tokenharbor.billing.counting import find_excess
from tokenharbor.billing.meter import Meter
from tokenharbor.billing.quote import Offer, Spendable, cap, input_bound, make_offer, quote
from tokenharbor.catalog.pricing import Terms
from tokenharbor.catalog.types import Model, OutputLimit
from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.neutral.request import InputSize, MediaDemand

CHEAP = offer(input=1_000_000, output=2_000_000)
DEAR = offer(input=3_000_000, output=9_000_000)


@given(
    size=st.integers(0, 300_000),
    most=st.integers(1, 8_000),
    choices=st.integers(1, 4),
    markup=st.integers(0, 5_000),
    fee=st.integers(0, 1_000),
    data=st.data(),
)
def test_no_usage_within_its_bounds_costs_more_than_the_quote(
    size: int, most: int, choices: int, markup: int, fee: int, data: st.DataObject
) -> None:
    terms = Terms(markup_bp=markup, fee_bp=fee)
    offers = [
        offer(terms, input=1_000_000, output=2_000_000, cache_read=100_000, cache_write_5m=1_250_000),
        offer(terms, input=900_000, output=3_000_000),
    ]
    asked = request(size=InputSize(size, text_tokens=size // 3), max_output=most, choices=choices, cache_writes=True)
    quoted = quote(asked, offers, AT)
    read = data.draw(st.integers(0, quoted.bound.input))
    written = data.draw(st.integers(0, quoted.bound.input - read))
    output = data.draw(st.integers(0, quoted.bound.output))
    reasoning = data.draw(st.integers(0, quoted.bound.output - output))
    usage = Usage(
        input=quoted.bound.input - read - written,
        cache_read=read,
        cache_write_5m=written,
        output=output,
        reasoning=reasoning,
    )
    for each in offers:
        assert each.rates.rate(usage, AT).total <= quoted.amount


def test_an_hours_cache_write_is_bounded_at_its_own_price() -> None:
    offers = [offer(input=1_000_000, output=2_000_000, cache_write_5m=1_250_000, cache_write_1h=2_000_000)]
    asked = request(max_output=1, cache_writes=True, cache_writes_1h=True)
    quoted = quote(asked, offers, AT)
    written = offers[0].rates.rate(Usage(cache_write_1h=quoted.bound.input, output=1), AT)
    assert written.total <= quoted.amount


def test_the_dearest_endpoint_of_the_route_decides() -> None:
    asked = request(max_output=1_000)
    assert quote(asked, [CHEAP, DEAR], AT).amount == quote(asked, [DEAR], AT).amount


def test_without_a_maximum_the_models_own_counts() -> None:
    assert quote(request(), [CHEAP], AT).bound.output == 8_000
    assert quote(request(choices=3), [CHEAP], AT).bound.output == 24_000


def test_the_input_is_bounded_by_text_media_and_the_context() -> None:
    assert input_bound(request(size=InputSize(3_000, text_tokens=1_001)), MODEL) == 1_001
    assert input_bound(request(size=InputSize(3_000, images=2, text_tokens=1_001)), MODEL) == 11_001
    assert input_bound(request(size=InputSize(3_000, files=1, text_tokens=1_001)), MODEL) == 100_000
    assert input_bound(request(size=InputSize(10_000_000, text_tokens=10_000_000)), MODEL) == 100_000
    assert input_bound(request(web_search_uses=1), MODEL) == 100_000


def test_F9_a_rule_for_the_model_goes_before_the_kinds_of_characters() -> None:
    size = InputSize(3_000, text_tokens=1_500)
    assert input_bound(request(size=size), replace(MODEL, bytes_per_token=1)) == 3_001
    assert input_bound(request(size=size), replace(MODEL, bytes_per_token=4)) == 751


def test_a_thin_wallet_caps_an_open_maximum_to_half_of_what_it_has() -> None:
    whole = quote(request(), [CHEAP], AT)
    wallet = Spendable(Usd(10_000_000), AT)
    capped = cap(request(), [CHEAP], whole, POLICY, wallet)
    assert capped is not None
    assert capped.capped == 1_999  # (5,000,000 nano − 1,001 input tokens) / 2,000 nano a token
    assert capped.amount <= 5_000_000
    assert quote(request(max_output=2_000), [CHEAP], AT).amount > 5_000_000


def test_a_cap_under_the_least_is_no_answer() -> None:
    whole = quote(request(), [CHEAP], AT)
    assert cap(request(), [CHEAP], whole, POLICY, Spendable(Usd(6_000_000), AT)) is None


def test_the_callers_own_maximum_is_never_changed() -> None:
    asked = request(max_output=5_000)
    assert cap(asked, [CHEAP], quote(asked, [CHEAP], AT), POLICY, Spendable(Usd(10_000_000), AT)) is None


def test_a_search_without_a_price_is_not_sold() -> None:
    with pytest.raises(InvalidRequest, match=CHEAP.endpoint.provider.name):
        quote(request(web_search_uses=2), [CHEAP], AT)


def at(limit: OutputLimit, wire: str = "openai_chat", model: Model = MODEL) -> Offer:
    """CHEAP, at a provider that limits answers like this."""
    endpoint = replace(CHEAP.endpoint, limit=limit, provider=replace(CHEAP.endpoint.provider, wire=wire))
    return make_offer(model, endpoint, CHEAP.rates, POLICY)


OBEYS, UNSTATED, IGNORES = at(OutputLimit("max_tokens")), at(OutputLimit()), at(OutputLimit(""))


@pytest.mark.parametrize(
    ("offers", "fields", "output"),
    [
        ([OBEYS], {"max_output": 5}, 5),
        ([OBEYS], {"max_output": 5, "max_unsure": True}, 5),
        ([UNSTATED], {"max_output": 5}, 5),
        ([UNSTATED], {"max_output": 5, "max_unsure": True}, 8_000),
        ([at(OutputLimit(), "gemini")], {"max_output": 5, "max_unsure": True}, 5),
        ([IGNORES], {"max_output": 5}, 8_000),
        ([OBEYS, IGNORES], {"max_output": 5, "choices": 2}, 16_000),
        ([OBEYS], {"max_output": 5, "thinking_budget": 4}, 5),
        ([OBEYS], {"max_output": 5, "thinking_budget": 5}, 10),
        ([OBEYS], {"max_output": 5, "thinking_budget": 10**9}, 100_005),
        ([OBEYS], {"max_output": 0, "thinking_budget": 7}, 0),
    ],
)
def test_F2_a_maximum_counts_only_where_the_endpoint_obeys_it(
    offers: list[Offer], fields: dict[str, object], output: int
) -> None:
    assert quote(request(**fields), offers, AT).bound.output == output


def test_F2_reasoning_that_is_outside_of_the_maximum_comes_on_top() -> None:
    limit, asked = OutputLimit("max_tokens", reasoning_apart=True), request(max_output=5, choices=2)
    assert quote(asked, [at(limit)], AT).bound.output == 10
    unbounded = replace(MODEL, capabilities=frozenset({"reasoning"}))
    assert (
        quote(asked, [at(OutputLimit("max_tokens"), model=unbounded), at(limit, model=unbounded)], AT).bound.output
        == 2 * 100_005
    )
    thinker = replace(unbounded, max_thinking=3_000)
    obeys, apart = at(OutputLimit("max_tokens"), model=thinker), at(limit, model=thinker)
    whole = quote(request(choices=2), [obeys, apart], AT)
    assert whole.bound.output == 2 * 11_000
    capped = cap(request(choices=2), [obeys, apart], whole, POLICY, Spendable(Usd(40_000_000), AT))
    assert capped is not None
    assert capped.bound.output == 2 * (capped.capped or 0) + 2 * 3_000


def test_F2_nothing_is_capped_where_some_endpoint_obeys_no_maximum() -> None:
    whole = quote(request(), [OBEYS, IGNORES], AT)
    assert cap(request(), [OBEYS, IGNORES], whole, POLICY, Spendable(Usd(10_000_000), AT)) is None


SMALL = replace(MODEL, name="small", context=2_000, max_output=500, bytes_per_token=1)
DEAR_AND_SMALL = offer(model=SMALL, input=9_000_000, output=90_000_000)


def test_each_endpoint_is_bounded_by_its_own_model_and_the_dearest_decides() -> None:
    asked = request(size=InputSize(3_000, text_tokens=1_500))
    own = {each.model.name: quote(asked, [each], AT) for each in (CHEAP, DEAR_AND_SMALL)}
    assert [(each.bound.input, each.bound.output) for each in own.values()] == [(1_500, 8_000), (2_000, 500)]
    for offers in ([CHEAP, DEAR_AND_SMALL], [DEAR_AND_SMALL, CHEAP], [CHEAP, DEAR_AND_SMALL, CHEAP]):
        both = quote(asked, offers, AT)
        assert both.amount == max(each.amount for each in own.values())
        assert [both.of(each) for each in (CHEAP, DEAR_AND_SMALL)] == list(own.values())


def test_media_are_bounded_by_each_model_too() -> None:
    asked = request(size=InputSize(3_000), demand=MediaDemand("embeddings", items=1))
    both = quote(asked, [CHEAP, DEAR_AND_SMALL], AT)
    assert both.of(CHEAP).bound.input == 1
    assert both.of(DEAR_AND_SMALL).bound.input == 2_000
    assert both.amount == both.of(DEAR_AND_SMALL).amount


def test_one_cap_fits_the_wallet_on_every_model_of_the_route() -> None:
    offers = [CHEAP, DEAR_AND_SMALL]
    asked, policy = request(), derive("token-harbor", cap={"min_tokens": 1})
    whole, wallet = quote(asked, offers, AT), Spendable(Usd(90_000_000), AT)
    capped = cap(asked, offers, whole, policy, wallet)
    assert capped is not None
    assert capped.capped == 300  # (45,000,000 nano - 2,000 input tokens) / 90,000 nano a token
    assert capped.amount <= 45_000_000
    for each in offers:
        assert capped.of(each).bound.output == 300
        assert each.rates.upper_bound(capped.of(each).bound, AT) <= capped.amount


def test_usage_is_judged_by_the_model_that_served() -> None:
    whole = quote(request(), [CHEAP, DEAR_AND_SMALL], AT)
    meter = Meter(UUID(int=1), AT, 0.0)
    meter.note_hold(whole)
    meter.note_served_by(DEAR_AND_SMALL, "", 1.0)
    assert meter.hold == whole.amount
    assert meter.quote is not None
    assert find_excess(Usage(input=1, output=501), meter.quote) is not None
    assert find_excess(Usage(input=1, output=501), whole.of(CHEAP)) is None
