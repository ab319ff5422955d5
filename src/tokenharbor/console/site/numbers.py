"""How numbers of models are written on a page: money in all its digits, tokens short."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from tokenharbor.console.site.words import SiteWords
from tokenharbor.kernel.money import Usd

DAY_NAMES: Final[Mapping[str, str]] = {
    "mon": "Mon",
    "tue": "Tue",
    "wed": "Wed",
    "thu": "Thu",
    "fri": "Fri",
    "sat": "Sat",
    "sun": "Sun",
}
_MOST_DAYS: Final = 7
_ROUGH: Final = 10  # thousands or millions of tokens, from which on parts of one say nothing
_FINE_PERCENT: Final = 99
_DAYS = re.compile(r"days:([0-9]+)")


def show_price(amount: str | None) -> str:
    """A decimal string with a sign and at least two places."""
    if amount is None:
        return "–"
    whole, _, places = amount.partition(".")
    return f"${int(whole):,}.{places.ljust(2, '0')}"


def show_cost(amount: Usd | None) -> str:
    """An amount in full, without the zeros at its end."""
    if amount is None:
        return "–"
    return "$0" if amount == 0 else show_price(str(amount).rstrip("0").rstrip("."))


def show_percent(bp: int) -> str:
    """Basis points as a percentage, without zeros at its end."""
    return f"{bp // 100}.{bp % 100:02}".rstrip("0").rstrip(".")


def show_share(permille: int) -> str:
    """A share in percent: in tenths where they matter, near the whole. Finer digits would tell how many there were."""
    percent, tenth = divmod(max(permille, 0), 10)
    return f"{percent}.{tenth}%" if percent == _FINE_PERCENT and tenth else f"{percent}%"


def show_tokens(count: int) -> str:
    """Short, as models are compared: 200K, 1.05M."""
    for unit, sign in ((1_000_000, "M"), (1_000, "K")):
        if count >= unit:
            whole, hundredths = count // unit, count * 100 // unit % 100
            return f"{whole}{sign}" if whole >= _ROUGH else f"{whole}.{hundredths:02}".rstrip("0").rstrip(".") + sign
    return str(count) if count else "–"


def show_day(moment: datetime, words: SiteWords) -> str:
    """A day (UTC), with its time if that is not midnight."""
    day = f"{moment:%Y-%m-%d}" if words.language != "en" else f"{moment.day} {moment:%b %Y}"
    return day if (moment.hour, moment.minute) == (0, 0) else f"{day}, {moment:%H:%M} UTC"


def show_hours(hours: str, words: SiteWords) -> str:
    """From how prices state it: `01:00-04:00 mon,tue`."""
    times, _, listed = hours.partition(" ")
    days = listed.split(",")
    names = list(DAY_NAMES)
    first, last = names.index(days[0]), names.index(days[-1])
    if len(days) == _MOST_DAYS:
        said = words("every day")
    elif len(days) > 2 and last - first == len(days) - 1:
        said = f"{words(DAY_NAMES[days[0]])}–{words(DAY_NAMES[days[-1]])}"
    else:
        said = ", ".join(words(DAY_NAMES[each]) for each in days)
    return f"{said} {times.replace('-', '–')} UTC"


def show_retention(retention: str | None, words: SiteWords) -> str:
    """How long a provider keeps what it is sent, in words."""
    if retention is None:
        return words("not stated")
    if retention == "none":
        return words("not retained")
    days = _DAYS.fullmatch(retention)
    return words("retained {days} days", days=days[1]) if days else words("may be used for training")
