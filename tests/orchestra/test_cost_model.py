"""The cost model of docs/orchestra.md: its table is current, its caches match providers', and no session is lost."""

from scripts.orchestra import cost_model as model
from scripts.orchestra.shapes import SYSTEM


def test_the_table_of_the_page_is_current() -> None:
    text = model.PAGE.read_text("utf-8")
    assert model.page(text) == text, "it is old: python -m scripts.orchestra.cost_model"


def test_a_cache_has_a_prefix_for_five_minutes_at_the_endpoint_that_read_it() -> None:
    cache = model.PromptCache()
    assert cache.use("a", 20_000, now=0) == 0
    assert cache.use("a", 21_000, now=300) == 20_000
    assert cache.use("b", 21_500, now=310) == 0, "another model has read none of it"
    assert cache.use("a", 22_000, now=600) == 21_000, "reading keeps it"
    assert cache.use("a", 23_000, now=901) == 0
    cache.begin_anew()
    assert cache.use("a", 18_000, now=910) == SYSTEM, "the agent's own prompt outlives compaction"
    small = model.PromptCache()
    assert [small.use("a", 1_023, 0), small.use("a", 1_500, 1), small.use("a", 1_600, 2)] == [0, 0, 1_500]


def test_every_router_is_billed_for_the_same_requests() -> None:
    for name, bills in model.compare(model.open_market()):
        ours, by_itself, *alone = bills
        assert {each.requests for each in bills} == {ours.requests}, name
        assert {each.size for each in bills} == {ours.size}, name
        assert ours.requests >= 40 * len(model.SEEDS), name
        assert ours.switches <= by_itself.switches, name
        assert not any(each.switches for each in alone), name
