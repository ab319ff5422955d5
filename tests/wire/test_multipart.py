"""Forms as they arrive: the same fields in any split, and nothing ambiguous accepted."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.framing.multipart import FormField, FormReader, boundary_of, edit_form

B = b"harbour"
FORM = (
    b'--harbour\r\nContent-Disposition: form-data; name="model"\r\n\r\nscribe\r\n'
    b'--harbour\r\ncontent-disposition: form-data; name="file"; filename="a \\"b\\".wav"\r\n'
    b"Content-Type: audio/wav\r\n\r\n\r\n--harbou\r\n\r\n--harbour\r\n"
    b"Content-Disposition: form-data; name=empty\r\n\r\n\r\n--harbour--\r\n"
)


def read(*pieces: bytes) -> FormReader:
    reader = FormReader(B)
    for piece in pieces:
        reader.feed(piece)
    reader.close()
    return reader


def test_fields_are_kept_and_files_counted() -> None:
    reader = read(FORM)
    assert {name: field.value for name, field in reader.fields.items()} == {"model": b"scribe", "empty": b""}
    assert reader.files == 1
    for field in reader.fields.values():
        assert FORM[field.start : field.end] == field.value


@given(st.lists(st.integers(0, len(FORM)), max_size=12))
def test_any_split_of_the_bytes_reads_alike(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(FORM)]
    pieces = [FORM[start:end] for start, end in pairwise(edges)]
    assert read(*pieces).fields == read(FORM).fields


@given(st.binary(max_size=300).filter(lambda content: b"\r\n--harbour" not in b"\r\n" + content))
def test_any_content_of_a_file_passes(content: bytes) -> None:
    form = b'--harbour\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + content + b"\r\n--harbour--"
    reader = read(form)
    assert (reader.files, reader.fields) == (1, {})


@given(st.binary(max_size=200))
def test_no_bytes_end_in_anything_but_a_form_or_a_refusal(data: bytes) -> None:
    for start in (b"", b"--harbour\r\n", b'--harbour\r\nContent-Disposition: form-data; name="a"\r\n\r\n'):
        reader = FormReader(B)
        try:
            reader.feed(start + data)
            reader.close()
        except InvalidRequest:
            continue
        assert reader.done


def test_an_edit_leaves_every_other_byte_alone() -> None:
    fields = read(FORM).fields
    edited = edit_form(FORM, B, fields, {"model": b"large-scribe", "size": b"9x9"})
    added = b'--harbour\r\ncontent-disposition: form-data; name="size"\r\n\r\n9x9\r\n'
    assert edited == added + FORM.replace(b"scribe", b"large-scribe")
    assert read(edited).fields["size"].value == b"9x9"


def part(head: bytes, value: bytes = b"x") -> bytes:
    return b"--harbour\r\n" + head + b"\r\n\r\n" + value + b"\r\n"


NAMED = b'Content-Disposition: form-data; name="a"'
END = b"--harbour--\r\n"


@pytest.mark.parametrize(
    "form",
    [
        b"",
        b"preamble\r\n" + part(NAMED) + END,
        part(NAMED),
        part(NAMED) + part(NAMED) + END,
        part(NAMED) + END + b"more",
        part(b"Content-Type: text/plain") + END,
        part(b"Content-Disposition: form-data") + END,
        part(b'Content-Disposition: attachment; name="a"') + END,
        part(NAMED + b'; name="b"') + END,
        part(NAMED + b"\r\n" + NAMED) + END,
        part(NAMED + b" x") + END,
        part(NAMED + b"; name*=utf-8''seconds") + END,
        part(NAMED + b'; NAME*0="sec"; name*1="onds"') + END,
        part(b"no colon") + END,
        part(b"A: " + b"x" * 9000 + b"\r\n" + NAMED) + END,
        part(NAMED, b"x" * (1 << 21)) + END,
        b"".join(part(b'Content-Disposition: form-data; name="%d[]"' % count) for count in range(300)) + END,
        part(NAMED)[:-2] + b"\r\n--harbourX\r\n",
    ],
)
def test_F11_what_is_doubtful_is_refused(form: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read(form)


def test_a_list_may_repeat_its_name() -> None:
    named = b'Content-Disposition: form-data; name="a[]"'
    assert read(part(named, b"1") + part(named, b"2") + END).fields["a[]"].value == b"2"


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [(b"multipart/form-data; boundary=abc", b"abc"), (b'Multipart/Form-Data; charset=utf-8; boundary="a b"', None)],
)
def test_a_boundary_is_read(content_type: bytes, boundary: bytes | None) -> None:
    if boundary is None:
        with pytest.raises(InvalidRequest):
            boundary_of(content_type)
    else:
        assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "content_type", [None, b"", b"application/json", b"multipart/form-data", b"text/plain; boundary=a"]
)
def test_what_is_no_form_is_refused(content_type: bytes | None) -> None:
    with pytest.raises(InvalidRequest, match="multipart/form-data"):
        boundary_of(content_type)


def test_a_field_knows_where_it_stands() -> None:
    assert read(FORM).fields["model"] == FormField(b"scribe", FORM.index(b"scribe"), FORM.index(b"scribe") + 6)


@pytest.mark.parametrize(
    "heads",
    [
        ['name="n"; filename=""'],
        ['name="n"; filename="a"', 'name="n"'],
        ['name="n"', 'name="n"; filename="a"'],
        ['name="n"', "name=\"n\"; filename*=UTF-8''a"],
    ],
)
def test_what_one_reader_takes_for_a_field_and_another_for_a_file_is_refused(heads: list[str]) -> None:
    body = b"".join(b"--b\r\nContent-Disposition: form-data; %b\r\n\r\n9\r\n" % head.encode() for head in heads)
    with pytest.raises(InvalidRequest):
        FormReader(b"b").feed(body + b"--b--\r\n")
