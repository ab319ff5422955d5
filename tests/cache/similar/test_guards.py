"""The guards: which prompts agree in everything on which a shared answer depends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.cache.similar.guards import disagreement
from tokenharbor.cache.similar.reading import read, unfit_reason

ALIKE = [
    ("How do I get better at chess?", "How can one get better at chess?"),
    ("What's the capital of Peru?", "What is the capital of Peru?"),
    ("What is the best way to learn to swim?", "What are the best ways to learn to swim?"),
    ("Which is better, tea or coffee?", "Which is better, coffee or tea?"),
    ("Which college is best for painters?", "What is the best college for painters?"),
    ("How do I purchase a second-hand car quickly?", "How can I buy a second hand automobile fast?"),
    ("What does osmosis mean?", "What is the meaning of osmosis?"),
    ("Which is the better oven, and why?", "Which is the better oven?"),
    ("What is it like to live in Lima?", "What does it feel like to live in Lima?"),
]
APART = [
    ("numbers", "How do I win in 3 moves?", "How do I win in 4 moves?"),
    ("numbers", "How do I win in three moves?", "How do I win in four moves?"),
    ("names", "How large is Peru?", "How large is Chile?"),
    ("names", "What are the best IT jobs?", "What are the best jobs in it?"),
    ("negation", "Why should cats eat onions?", "Why should cats not eat onions?"),
    ("negation", "How do I cook rice with salt?", "How do I cook rice without salt?"),
    ("comparison", "How do I become more patient?", "How do I become less patient?"),
    ("comparison", "Is it safe to swim after lunch?", "Is it safe to swim before lunch?"),
    ("comparison", "What is the best oven?", "What is the worst oven?"),
    ("order", "How do I convert miles to kilometres?", "How do I convert kilometres to miles?"),
    ("order", "Did Anna hit Berta?", "Did Berta hit Anna?"),
    ("function words", "Is he a nurse or a cook?", "Is he a nurse and a cook?"),
    ("function words", "What was the law like?", "What will the law be like?"),
    ("content", "Can I feed my dog grapes?", "Can I feed my cat grapes?"),
    ("content", "Is Ann an accountant?", "Is Ann an elite accountant?"),
    ("content", "Which film is good?", "Which films are good?"),
    ("persons", "How old am I?", "How old are you?"),
    ("persons", "How would I describe life?", "How would I describe my life?"),
    ("literals", 'What does "set -e" do?', 'What does "set -u" do?'),
    ("literals", "What does `ls -l` print?", "What does `ls -a` print?"),
    ("marks", "How cold is -20 degrees?", "How cold is 20 degrees?"),
    ("marks", "What is $5 in roubles?", "What is €5 in roubles?"),
    ("marks", "How much is 10% of 200?", "How much is 10 of 200?"),
    ("marks", "How much is 50 Nm in feet?", "How much is 50 nm in feet?"),
    ("marks", "How large is a Mb?", "How large is a MB?"),
    ("names", "How do I make Polish at home?", "How do I make polish at home?"),
    ("reasons", "Which is the better oven?", "Which is the better oven, and why?"),
]


@pytest.mark.parametrize(("stored", "asked"), ALIKE)
def test_the_same_question_in_other_words_agrees(stored: str, asked: str) -> None:
    assert disagreement(read(stored), read(asked)) is None


@pytest.mark.parametrize(("guard", "stored", "asked"), APART)
def test_what_an_answer_depends_on_keeps_prompts_apart(guard: str, stored: str, asked: str) -> None:
    assert disagreement(read(stored), read(asked)) == guard


@given(st.text(max_size=80))
def test_a_prompt_agrees_with_itself(text: str) -> None:
    assert disagreement(read(text), read(text)) is None


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_another_number_is_another_question(one: int, other: int) -> None:
    guard = disagreement(read(f"How do I count to {one}?"), read(f"How do I count to {other}?"))
    assert guard == (None if one == other else "numbers")


@pytest.mark.parametrize(
    ("why", "text"),
    [
        ("structured", "Classify the sentiment:\nI love it"),
        ("structured", "What does {x} mean in a template?"),
        ("structured", "What is on https://example.com today?"),
        ("short", "Hello there"),
        ("long", "What is the meaning of " + "very " * 100 + "long words?"),
        ("language", "Wie kann ich schnell schwimmen lernen?"),
        ("language", "¿Cuál es la capital de Perú?"),
        ("language", "Quelle est la capitale du Pérou?"),
        ("language", "Как мне быстро научиться плавать?"),
        ("language", "请 告诉我 秘鲁 的 首都"),
    ],
)
def test_only_a_short_plain_english_sentence_is_compared(why: str, text: str) -> None:
    assert unfit_reason(text) == why


def test_a_plain_question_is_compared() -> None:
    assert [unfit_reason(stored) for stored, _ in ALIKE] == [None] * len(ALIKE)
