"""Reasons of rewards have a stable code, whichever release wrote their sentence."""

from tokenharbor.rewards.reasons import SENTENCES, RewardReason, reason_code


def test_every_reason_has_its_sentence_and_each_sentence_its_code() -> None:
    assert set(SENTENCES) == set(RewardReason)
    assert all(reason_code(sentence) is reason for reason, sentence in SENTENCES.items())


def test_a_sentence_of_an_earlier_release_keeps_its_code_and_an_operators_words_have_none() -> None:
    assert reason_code("the cap for life is reached") is RewardReason.CAP
    assert reason_code("what paid has been matched before") is RewardReason.PAYER_MATCHED
    assert reason_code("looks odd") is None
    assert reason_code("") is None
