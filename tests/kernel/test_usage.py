"""The usage vector: each of its units is input, output or a piece."""

from tokenharbor.kernel.usage import INPUT_UNITS, OUTPUT_UNITS, PIECE_UNITS, UNITS, Usage, input_size


def test_every_unit_is_of_one_class() -> None:
    assert sorted((*INPUT_UNITS, *OUTPUT_UNITS, *PIECE_UNITS)) == sorted(UNITS)


def test_the_inputs_size_counts_what_is_sent_and_nothing_that_comes_back() -> None:
    assert not {*INPUT_UNITS} & {"output", "reasoning", "audio_out", "images_out", "seconds"}
    ones = Usage(**dict.fromkeys(UNITS, 1))
    assert input_size(ones) == len(INPUT_UNITS)
