"""Reasons of rewards have a stable code; words of operators have none."""

from tokenharbor.rewards.reasons import SENTENCES, RewardReason, reason_code


def test_every_reason_has_its_sentence_and_each_sentence_its_code() -> None:
    assert set(SENTENCES) == set(RewardReason)
    assert all(reason_code(sentence) is reason for reason, sentence in SENTENCES.items())


def test_an_operators_words_have_no_code() -> None:
    assert reason_code("looks odd") is None
    assert reason_code("") is None
