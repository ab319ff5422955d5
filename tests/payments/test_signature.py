"""Stripe's signatures: those of Stripe's own SDK are accepted, and no others."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe import WebhookSignature

from tokenharbor.kernel.errors import ForgedEvent
from tokenharbor.payments.stripe_signature import check_signature, sign

SECRET = "whsec_test"
NOW = datetime(2026, 5, 1, tzinfo=UTC)
AT = int(NOW.timestamp())


@given(st.text(max_size=200).map(str.encode))
def test_what_the_sdk_signs_is_taken(body: bytes) -> None:
    header = WebhookSignature.generate_signature_header(body.decode(), SECRET, AT)
    check_signature(SECRET, header, body, NOW)


@given(st.binary(max_size=100), st.data())
def test_one_changed_byte_of_body_signature_or_time_is_refused(body: bytes, data: st.DataObject) -> None:
    signature = sign(SECRET, AT, body)
    place = data.draw(st.integers(0, len(signature) - 1))
    letter = data.draw(st.sampled_from("0123456789abcdef").filter(lambda each: each != signature[place]))
    changed = signature[:place] + letter + signature[place + 1 :]
    for header, sent in (
        (f"t={AT},v1={changed}", body),
        (f"t={AT + 1},v1={signature}", body),
        (f"t={AT},v1={signature}", body + b" "),
        (f"t={AT},v0={signature}", body),
        (f"t={AT},t={AT},v1={signature}", body),
    ):
        with pytest.raises(ForgedEvent):
            check_signature(SECRET, header, sent, NOW)


@given(st.text(max_size=80))
def test_no_header_makes_it_fail_otherwise_than_by_refusing(header: str) -> None:
    with pytest.raises(ForgedEvent):
        check_signature(SECRET, header, b"{}", NOW)


@pytest.mark.parametrize("secret", ["", "  ", "\n"])
def test_an_empty_secret_refuses_even_what_is_signed_with_it(secret: str) -> None:
    with pytest.raises(ForgedEvent, match="no webhook secret"):
        check_signature(secret, f"t={AT},v1={sign(secret, AT, b'{}')}", b"{}", NOW)


@pytest.mark.parametrize(("age", "taken"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_an_event_is_taken_within_five_minutes_of_its_signature(*, age: int, taken: bool) -> None:
    header = f"t={AT - age},v1={sign(SECRET, AT - age, b'{}')}"
    if taken:
        check_signature(SECRET, header, b"{}", NOW)
    else:
        with pytest.raises(ForgedEvent, match="300 seconds"):
            check_signature(SECRET, header, b"{}", NOW)


def test_while_a_secret_is_replaced_one_of_two_signatures_is_enough() -> None:
    header = f"t={AT},v1={sign('whsec_old', AT, b'{}')},v1={sign(SECRET, AT, b'{}')}"
    check_signature(SECRET, header, b"{}", NOW)
