"""The usage vector: its units are its fields, in order."""

from tokenharbor.kernel.usage import INPUT_UNITS, UNITS, Usage


def test_the_units_are_the_vectors_fields_in_order() -> None:
    assert Usage.__struct_fields__ == UNITS


def test_the_inputs_size_counts_what_is_sent_and_nothing_that_comes_back() -> None:
    assert set(UNITS) >= INPUT_UNITS
    assert not INPUT_UNITS & {"output", "reasoning", "audio_out", "images_out", "seconds"}
