"""The fast counts of words and concepts equal those of a plain implementation."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.orchestra.features import tokens_of
from tokenharbor.orchestra.lexicon import load_lexicon

LEXICON = load_lexicon()
SIGNS = '!"#$%&()*+,./:;<=>?@[\\]^_`{|}~“”«»„。，：；！？（）「」、…–—'
RUNS = {each.run: each for runs in LEXICON.runs.values() for each in runs}

texts = st.text(st.characters() | st.sampled_from(f"{SIGNS}-'  \n\ud800请審查"))
chinese = st.lists(
    st.sampled_from(sorted(run for run in RUNS if not run.isascii())) | st.text("的了在请x ", max_size=4)
).map("".join)


@given(texts)
def test_words_are_what_stands_between_spaces_and_signs(text: str) -> None:
    assert tokens_of(text) == "".join(" " if each in SIGNS else each for each in text).split()


@given(chinese)
def test_each_run_of_characters_that_is_there_counts_once(text: str) -> None:
    words = text.split()
    found = LEXICON.concepts(Counter(words), " ".join(words))
    there = Counter(each.concept for run, each in RUNS.items() if run in " ".join(words))
    assert {concept: found.get(concept, 0) for concept in there} == there


@given(st.sampled_from(sorted(word for word in LEXICON.words if len(word) > 5)), st.data())
def test_a_word_that_lacks_a_letter_is_the_word_and_chinese_is_left_as_it_is(word: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(word) - 1))
    cut = word[:at] + word[at + 1 :]
    assert LEXICON.corrected([cut])[0] in LEXICON.words
    assert LEXICON.corrected(["请审查代码改动"]) == ["请审查代码改动"]
