"""The bound of a media request is never below our own count for it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict
from msgspec.structs import replace as replace_struct

from tokenharbor.billing.bounds import bound_of, least_usage, recording_usage
from tokenharbor.catalog.pricing import UsageBound
from tokenharbor.catalog.types import Model
from tokenharbor.kernel.usage import INPUT_UNITS, PIECE_UNITS, Usage, input_size
from tokenharbor.wire.neutral.request import InputSize, MediaDemand, Request

MODEL = Model("m", "", 1_000, 50, frozenset(), ())
counts = st.integers(0, 10_000)


def check_within(usage: Usage, bound: UsageBound) -> None:
    """The bound has one number for all that is read."""
    assert input_size(usage) <= bound.input
    for unit, count in asdict(usage).items():
        most = getattr(bound.pieces, unit) if unit in PIECE_UNITS else getattr(bound, unit, 0)
        assert unit in INPUT_UNITS or count <= most, unit


def request(demand: MediaDemand, text_bytes: int = 0, images: int = 0) -> Request:
    return Request(
        demand.surface,
        b"",
        {},
        "m",
        size=InputSize(text_bytes, images=images, text_tokens=-(-text_bytes // 3)),
        demand=demand,
    )


@given(
    st.builds(
        MediaDemand,
        st.sampled_from(["embeddings", "images", "image_edits", "speech", "rerank", "transcriptions", "videos"]),
        items=st.integers(1, 3_000),
        tokens=counts,
        images=st.integers(0, 10),
        characters=counts,
        seconds=st.integers(0, 60),
        upload_bytes=st.integers(0, 10**9),
    ),
    st.integers(0, 10**6),
    st.integers(0, 100_000),
)
def test_what_we_count_ourselves_lies_within_the_bound(demand: MediaDemand, text_bytes: int, context: int) -> None:
    asked, model = request(demand, text_bytes), replace(MODEL, context=context)
    bound = bound_of(asked, demand, model)
    check_within(least_usage(asked, demand, model), bound)


@given(st.integers(1, 10**8), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 5_000))
def test_a_recording_that_we_measure_lies_within_the_bound_of_what_could_come(
    bound_bytes: int, came: int, seconds: int, text_bytes: int
) -> None:
    could = MediaDemand("transcriptions", items=1, upload_bytes=bound_bytes)
    did = replace_struct(could, upload_bytes=min(came, bound_bytes))
    bound = bound_of(request(could), could, MODEL)
    check_within(recording_usage(request(could), did, MODEL, seconds=seconds, transcript_bytes=text_bytes), bound)


@pytest.mark.parametrize(("upload_bytes", "seconds"), [(499, 1), (500, 2), (5_000_000, 7_200), (10**12, 7_200)])
def test_a_recording_has_at_most_a_second_for_so_many_bytes_and_no_more_than_the_model_takes(
    upload_bytes: int, seconds: int
) -> None:
    demand = MediaDemand("transcriptions", items=1, upload_bytes=upload_bytes)
    assert bound_of(request(demand), demand, replace(MODEL, max_seconds=7_200)).pieces.seconds == seconds


def test_images_may_each_have_the_most_tokens() -> None:
    demand = MediaDemand("images", items=1, images=4)
    bound = bound_of(request(demand, 30), demand, MODEL)
    assert (bound.output, bound.pieces.images_out, bound.input) == (200, 4, 11)


def test_images_that_are_sent_count_for_the_most_that_one_can() -> None:
    demand = MediaDemand("image_edits", items=1, images=1, upload_bytes=10**6)
    assert bound_of(request(demand, 30, images=2), demand, replace(MODEL, context=0)).input == 11 + 2 * 5_000


@pytest.mark.parametrize(
    ("documents", "text_bytes", "units"), [(1, 10, 1), (100, 10, 1), (101, 10, 2), (100, 75_000, 2)]
)
def test_long_documents_are_cut_into_pieces_that_count(documents: int, text_bytes: int, units: int) -> None:
    demand = MediaDemand("rerank", items=documents)
    assert bound_of(request(demand, text_bytes), demand, MODEL).pieces.search_units == units
