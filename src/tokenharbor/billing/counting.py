"""Decides which usage is billed: the provider's if it is plausible and within the request's bounds, else our
own count.
"""

import msgspec

from tokenharbor.billing.alarms import Alarm
from tokenharbor.billing.bounds import least_media
from tokenharbor.billing.detail import UsageSource
from tokenharbor.billing.meter import Meter
from tokenharbor.billing.quote import Quote
from tokenharbor.catalog.pricing import UsageBound
from tokenharbor.kernel.usage import PIECE_UNITS, Usage, input_size, token_count
from tokenharbor.wire.neutral.request import InputSize

BYTES_PER_OUTPUT_TOKEN = 4  # for our own count: never more tokens than providers count for common text

_OUTPUT_UNITS = ("output", "images_out", "seconds", "characters", "search_units")


class BilledUsage(msgspec.Struct, frozen=True):
    """The usage that is billed, its source, and its total of tokens."""

    usage: Usage
    source: UsageSource
    tokens: int


class ExcessUsage(msgspec.Struct, frozen=True):
    """A reported count above the request's bound."""

    unit: str
    reported: int
    most: int


def billable_usage(meter: Meter) -> BilledUsage:
    """Return the provider's usage if it is plausible, else our own count of the delivered part, within the quote's
    bound. Implausible usage raises an alarm, and so does missing usage of an answer that came to its end.
    """
    usage, excess, quote = meter.usage, None, meter.quote
    if usage is not None and quote is not None and meter.fallback is None:
        tokens = _tokens_of_text(usage, quote.bound)
        if tokens:
            return BilledUsage(usage, "vendor", tokens)
    if usage is not None:
        excess = None if quote is None else find_excess(usage, quote)
        if excess is None and not _is_empty(usage, meter):
            _compare_input(meter, usage)
            return BilledUsage(usage, "vendor", token_count(usage))
        meter.quarantined = True
    own = _count_ourselves(meter)
    if meter.quarantined:
        _alarm_quarantined(meter, own.usage, excess)
    elif own.source == "estimated" and meter.ended:
        meter.alarm(Alarm.USAGE_MISSING, estimated_input=input_size(own.usage), estimated_output=own.usage.output)
    return own


def _tokens_of_text(usage: Usage, bound: UsageBound) -> int:
    """Return all tokens of a usage of text only, within the bound, as nearly all are; else 0."""
    input_tokens, output_tokens = usage.input, usage.output
    if usage != Usage(input_tokens, 0, 0, 0, output_tokens):  # one comparison is faster than one for each unit
        reasoning, cached = usage.reasoning, (usage.cache_read, usage.cache_write_5m, usage.cache_write_1h)
        if usage != Usage(input_tokens, *cached, output_tokens, reasoning):
            return 0
        input_tokens, output_tokens = input_tokens + sum(cached), output_tokens + reasoning
    return input_tokens + output_tokens if 0 < input_tokens <= bound.input and 0 < output_tokens <= bound.output else 0


def _compare_input(meter: Meter, usage: Usage) -> None:
    """Raise an alarm for more input than the quote's bound, which has to be corrected for this model."""
    quote, size = meter.quote, input_size(usage)
    if quote is not None and size > quote.bound.input:
        meter.alarm(Alarm.INPUT_OVER_BOUND, reported=size, bound=quote.bound.input)


def estimated_input(size: InputSize) -> int:
    """Return our own estimate of a conversation's input tokens, from its size."""
    return -(-size.text_bytes // BYTES_PER_OUTPUT_TOKEN) + least_media(size)


def _alarm_quarantined(meter: Meter, own: Usage, excess: ExcessUsage | None) -> None:
    facts: dict[str, int | str] = {"estimated_input": input_size(own), "estimated_output": own.output}
    if excess is not None:
        facts |= {"unit": excess.unit, "reported": excess.reported, "most": excess.most}
    meter.alarm(Alarm.USAGE_QUARANTINED, **facts)


def find_excess(usage: Usage, quote: Quote) -> ExcessUsage | None:
    """Return the first count above the request's bounds, or None. Input may also be up to the model's context, because
    the quote's bound of input is an estimate from bytes.
    """
    bound = quote.bound
    output = usage.output + usage.reasoning + usage.audio_out
    if output > bound.output:
        return ExcessUsage("output", output, bound.output)
    size = input_size(usage)
    if size > bound.input and size > quote.most_input:
        return ExcessUsage("input", size, max(bound.input, quote.most_input))
    for unit in PIECE_UNITS:
        reported, most = getattr(usage, unit), getattr(bound.pieces, unit)
        if reported > most:
            return ExcessUsage(unit, reported, most)
    return None


def _is_empty(usage: Usage, meter: Meter) -> bool:
    """Return whether a usage is empty: no counts at all, no input, or no count of priced units that were produced."""
    if not (usage.input or usage.output) and not any(msgspec.structs.astuple(usage)):
        return True
    fallback, offer = meter.fallback, meter.offer
    if fallback is None:
        return not input_size(usage) or _hides_output(usage, meter)
    if offer is None:
        return False
    priced = offer.rates.priced
    expected = [unit for unit in _OUTPUT_UNITS if unit in priced and getattr(fallback, unit)]
    if expected:
        return not any(getattr(usage, unit) for unit in expected)
    return "input" in priced and bool(input_size(fallback)) and not input_size(usage)


def _hides_output(usage: Usage, meter: Meter) -> bool:
    """Return whether a usage counts no output although text was delivered."""
    return not (usage.output or usage.reasoning or usage.audio_out) and _delivered_bytes(meter) > 0


def _delivered_bytes(meter: Meter) -> int:
    if not meter.delivered_bytes and meter.measure is not None:
        meter.delivered_bytes = meter.measure()
    return meter.delivered_bytes


def _count_ourselves(meter: Meter) -> BilledUsage:
    """Return our own exact count of pieces if it is what is priced, else an estimate."""
    own, fallback = meter.counted, meter.fallback
    if own is not None and (fallback is None or _is_priced(own, meter)):
        return BilledUsage(own, "counted", token_count(own))
    if fallback is not None and own is not None:
        fallback = _scale_to_images(fallback, own)
    estimate = fallback or _estimate(meter)
    return BilledUsage(estimate, "estimated", token_count(estimate))


def _scale_to_images(requested: Usage, counted: Usage) -> Usage:
    """Reduce the output tokens if fewer images were made than asked for."""
    if counted.images_out >= requested.images_out:
        return requested
    output = requested.output * counted.images_out // requested.images_out
    return msgspec.structs.replace(requested, images_out=counted.images_out, output=output)


def _is_priced(usage: Usage, meter: Meter) -> bool:
    return meter.offer is None or any(
        getattr(usage, unit) for unit in _OUTPUT_UNITS if unit in meter.offer.rates.priced
    )


def _estimate(meter: Meter) -> Usage:
    """Estimate a conversation's usage: the provider's last count in the stream, and at least the delivered output."""
    output = -(-_delivered_bytes(meter) // BYTES_PER_OUTPUT_TOKEN)
    reported, quote = meter.usage_so_far, meter.quote
    own = Usage(input=estimated_input(meter.request.size), output=output)
    if quote is None:
        return own if reported is None else _with_output(reported, output)
    own = _clamp(own, quote.bound)
    if reported is None or not input_size(reported) or find_excess(reported, quote) is not None:
        return own
    estimate = _clamp(_with_output(reported, output), quote.bound)
    if meter.offer is not None and meter.offer.rates.rate(estimate, meter.started_at).total > quote.amount:
        return Usage(input=input_size(estimate), output=estimate.output + estimate.reasoning + estimate.audio_out)
    return estimate


def _with_output(reported: Usage, output: int) -> Usage:
    """Return a usage with at least `output` tokens of output."""
    missing = output - reported.output - reported.reasoning - reported.audio_out
    return msgspec.structs.replace(reported, output=reported.output + missing) if missing > 0 else reported


def _clamp(usage: Usage, bound: UsageBound) -> Usage:
    """Return a usage limited to the quote's bound."""
    if usage.output + usage.reasoning + usage.audio_out > bound.output:
        usage = msgspec.structs.replace(usage, output=bound.output, reasoning=0, audio_out=0)
    if input_size(usage) > bound.input:
        usage = Usage(input=bound.input, output=usage.output, reasoning=usage.reasoning, audio_out=usage.audio_out)
    return usage
