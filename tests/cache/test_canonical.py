"""The canonical form of a question: form is ignored only where it cannot matter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.cache.canonical import canonical

SAME = [
    ("What is the capital of France?", "what is the capital of france"),
    ("What is the capital of France?", "What  is the capital of France, please?"),
    ("How do I bake bread please", "how do i bake bread?"),
    ("Explain photosynthesis.", "explain photosynthesis "),
    ("How many days are in 2024?", "how many days are in 2024 ?"),
]
DIFFERENT = [
    ("What is Polish?", "What is polish?"),
    ("What is Spark?", "What is spark?"),
    ("Who owns Stripe?", "who owns stripe"),
    ("Where is Cork?", "where is cork"),
    ("Is it in Turkey?", "Is it in turkey?"),
    ("What does US mean?", "What does us mean?"),
    ("What is 5!", "What is 5"),
    ("What is C?", "What is c?"),
    ("How much is 50 Nm?", "How much is 50 nm?"),
    ("What is Mg used for?", "what is mg used for?"),
    ("How heavy is He?", "how heavy is he?"),
    ("How do I spell Anna?", "How do I spell anna?"),
    ("Translate Hello", "translate hello"),
    ('What is "Foo"?', 'what is "foo"?'),
    ("What does `A b` print?", "what does `a b` print?"),
    ("What is iPhone?", "What is iphone?"),
    ("What is H2O?", "What is h2o?"),
    ("Wie ist das Wetter?", "wie ist das wetter?"),
    ("Count the words: A b", "count the words: a b"),
    ("What is x\ny", "What is x y"),
    ("Say please", "Say"),
    ("What is 1 000?", "What is 1000?"),
    ("What is 3.5?", "What is 35?"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_form_alone_makes_no_other_question(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_may_mean_something_else_stays_as_it_is(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def bare(text: str) -> list[str]:
    """Its letters and digits, word by word, without a last "please"."""
    words = "".join(each if each.isalnum() else " " for each in text.lower()).split()
    return words[:-1] if words[-1:] == ["please"] else words


@given(
    st.text(st.sampled_from("whatisHOWdoA Ipleas ,.?!'2\n\"ßπ"), max_size=60),
    st.sampled_from(["what is ", "How do ", ""]),
)
def test_no_letter_digit_or_word_is_ever_lost(text: str, opener: str) -> None:
    said = opener + text
    assert bare(canonical(said)) == bare(said) or canonical(said) == said
    assert canonical(canonical(said)) == canonical(said)
