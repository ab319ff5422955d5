"""Helpers for failures and refusals: retry times, and vendors' messages made safe to show."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST = 2_000  # characters of a vendor's message shown to a caller
_LONGEST_WAIT = 24 * 3600  # seconds; longer waits are ignored


def retry_after(headers: Mapping[bytes, bytes]) -> int | None:
    """Return the vendor's waiting time in whole seconds, rounded up; None if absent or implausible."""
    if (milliseconds := _number(headers.get(b"retry-after-ms"))) is not None:
        return _sane(-(-milliseconds // 1000))
    text = headers.get(b"retry-after")
    if text is None:
        return None
    if (seconds := _number(text)) is not None:
        return _sane(seconds)
    return _until(text, headers.get(b"date"))


def _number(text: bytes | None) -> int | None:
    match = re.fullmatch(rb"\s*(\d{1,12})(?:\.(\d{1,9}))?\s*", text or b"")
    return int(match[1]) + bool((match[2] or b"").strip(b"0")) if match else None


def _sane(seconds: int) -> int | None:
    return seconds if 0 <= seconds <= _LONGEST_WAIT else None


def _until(text: bytes, date: bytes | None) -> int | None:
    """Return the seconds until an HTTP date, by the vendor's own clock."""
    then, now = _read_date(text), _read_date(date)
    if then is None or now is None:
        return None
    return _sane(max(0, int((then - now).total_seconds())))


def _read_date(text: bytes | None) -> datetime | None:
    try:
        read = parsedate_to_datetime((text or b"").decode("latin-1"))
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


_SCRUBBED = tuple(
    (re.compile(pattern, re.IGNORECASE | re.ASCII), instead)
    for pattern, instead in (
        (r"[\x00-\x08\x0b-\x1f\x7f]", " "),
        (r"[!-~]{200,}", "[…]"),  # no words; and the patterns below may take quadratic time on a long run
        (r"\b[a-z][a-z0-9+.-]{1,20}://[^\s\"'<>)\]}]+", "[url]"),
        (r"\b(bearer)\s+[\w.~+/=*-]{6,}", r"\1 [secret]"),
        (
            (
                r"((?:(?:api|access|secret|auth)[ _-]?(?:key|token)(?: provided)?|password)[\"\s]*[:=][\"\s]*)"
                r"[^\s\"',;)]{4,}"
            ),
            r"\1[secret]",
        ),
        (r"\b(?:sk|pk|rk|ak|thk|thm|gsk|xai|nvapi|hf|ghp|key)[-_][\w*.-]{6,}", "[secret]"),
        (r"\b(?:AIza|AKIA|ASIA|ya29\.|eyJ)[\w.*/+=-]{10,}", "[secret]"),
        (r"\b(?:org|proj|acct|wrkspc|workspace|team|user)[-_](?=[a-z]*\d)[a-z0-9]{6,}\b", "[account]"),
        (
            r"\b(organization|project|team|account|workspace)( id)?:? [`'\"]?(?=[\w-]*\d)[\w-]{8,}[`'\"]?",
            r"\1 [account]",
        ),
        (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "[address]"),
        (r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b", "[host]"),
        (r"(?<![\w:])\[?(?:[0-9a-f]{1,4}:){3,7}(?::?[0-9a-f]{1,4})?\]?(?::\d+)?(?!\w)", "[host]"),
        (r"\blocalhost(?::\d+)?\b", "[host]"),
        (
            r"\b[\w-]+(?:\.[\w-]+)*\.(?:internal|local|localdomain|lan|corp|intra|svc|cluster|home|arpa)(?::\d+)?\b",
            "[host]",
        ),
        (r"\b(?:[\w-]+\.)+[a-z]{2,}:\d{2,5}\b", "[host]"),
        (r"\btraceback \(most recent call last\)[\s\S]*", "[…]"),
        (r"\bfile \"[^\"]{1,200}\", line \d+", "[path]"),
        (r"(?<![\w.])(?:/[\w.@-]+){3,}/?(?:, line \d+)?", "[path]"),
        (r"(?<![\w.])(?:/[\w.@-]+)+\.(?:py|js|ts|go|rs|rb|php|java|so|conf|toml|ya?ml|sock|pem)\b", "[path]"),
        (r"\b[a-z]:\\[^\s\"']+", "[path]"),
        (r"\b(?=[a-z_-]*\d)(?=\d*[a-z])[a-z0-9_-]{32,}\b", "[secret]"),
    )
)


def scrub(text: str) -> str:
    """Return a vendor's message without secrets, our account ids, addresses, hosts and paths; at
    most 2,000 characters.
    """
    text = text[: 2 * _LONGEST]
    for pattern, instead in _SCRUBBED:
        text = pattern.sub(instead, text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
