"""Parameter types of commands: ids, amounts, rates, times and lists."""

import re
from datetime import MAXYEAR, UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

import click

from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Rejected
from tokenharbor.kernel.ids import UUID, Kind
from tokenharbor.kernel.money import Usd

Names = tuple[str, ...]
Networks = tuple[IPv4Network | IPv6Network, ...]

AS_PLANNED: Final = -1
"""The value of `default` where a number is expected."""

_MOST = 100
_MOST_RATE = 2**31 - 1
_FIRST_YEAR = 1970
_WHOLE = re.compile(r"\d{1,10}", re.ASCII)
_SPAN = re.compile(r"([1-9]\d{0,4})([dhm])", re.ASCII)
_UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}


class IdType(click.ParamType[UUID]):
    """An id of one kind, with its prefix. A malformed id exits 1, as an unknown id does, not 2."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self.name = f"{kind}_id"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002  click's signature
        ctx: click.Context | None,  # noqa: ARG002  likewise
    ) -> UUID:
        if isinstance(value, UUID):
            return value
        try:
            return ids.parse(self._kind, value)
        except ValueError as error:
            raise Rejected(str(error)) from None


class UsdType(click.ParamType[Usd]):
    """A positive amount in US dollars, as a decimal string."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Usd:
        if isinstance(value, Usd):
            return value
        try:
            amount = Usd.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if amount <= 0:
            self.fail(f"must be greater than 0: {value!r}", param, ctx)
        return amount


class UsdLimitType(click.ParamType[Usd]):
    """A spending limit in US dollars; 0 is unlimited."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Usd:
        if isinstance(value, Usd):
            return value
        try:
            amount = Usd.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if amount < 0:
            self.fail(f"must be 0 (unlimited) or greater: {value!r}", param, ctx)
        return amount


class RateType(click.ParamType[int]):
    """A limit of requests or tokens; 0 is unlimited."""

    name = "n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if not _WHOLE.fullmatch(value) or int(value) > _MOST_RATE:
            self.fail(f"must be a whole number from 0 (unlimited) to {_MOST_RATE}: {value!r}", param, ctx)
        return int(value)


class AccountRateType(RateType):
    """A limit of requests or tokens, or `default` (read as -1) for the limit of the plan or edition."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return AS_PLANNED if value == "default" else super().convert(value, param, ctx)


class LineType(click.ParamType[str]):
    """One line of free text to store, with a maximum length in characters."""

    name = "text"

    def __init__(self, longest: int) -> None:
        self._longest = longest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if len(text) > self._longest:
            self.fail(f"must be at most {self._longest} characters, not {len(text)}", param, ctx)
        if not text.isprintable():
            self.fail(f"must not contain control characters or line breaks: {text[:40]!r}", param, ctx)
        return text


class SpanType(click.ParamType[timedelta]):
    """A length of time: `90d`, `12h`, `30m`."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = _SPAN.fullmatch(value)
        if match is None:
            self.fail(f"must be a number of days, hours or minutes, such as 90d or 12h: {value!r}", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


class LifetimeType(SpanType):
    """A length of time, or `never`, read as zero."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        return timedelta() if value == "never" else super().convert(value, param, ctx)


class MomentType(click.ParamType[datetime]):
    """A day or time in UTC: `2026-03-01`, `2026-03-01T12:00:00Z`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"must be a day or time in UTC, such as 2026-03-01: {value!r}", param, ctx)
        if not _FIRST_YEAR <= moment.year < MAXYEAR:
            self.fail(f"the year must be from {_FIRST_YEAR} to {MAXYEAR - 1}: {value!r}", param, ctx)
        return moment


class NamesType(click.ParamType[Names]):
    """Names separated by commas, or the one word that means no rule."""

    name = "a,b"

    def __init__(self, no_rule: str) -> None:
        self._no_rule = no_rule

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Names:
        if isinstance(value, tuple):
            return value
        if value == self._no_rule:
            return ()
        names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
        if not all(names):
            self.fail(f"contains an empty name: {value!r}", param, ctx)
        return names


class NetworksType(click.ParamType[Networks]):
    """Addresses and networks separated by commas; `any` means no rule."""

    name = "cidr,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Networks:
        if isinstance(value, tuple):
            return value
        texts = value.split(",") if value != "any" else []
        if len(texts) > _MOST:
            self.fail(f"must be at most {_MOST} networks, not {len(texts)}", param, ctx)
        try:
            return tuple(ip_network(text.strip()) for text in texts)
        except ValueError as error:
            self.fail(str(error)[:200], param, ctx)


ACCOUNT, KEY, REQUEST, GATEWAY = IdType("acct"), IdType("key"), IdType("req"), IdType("gw")
REWARD, CODE = IdType("rew"), IdType("code")
TOP_UP, REFUND, DISPUTE = IdType("topup"), IdType("refund"), IdType("dispute")
WITHDRAWAL, PAYEE = IdType("withdrawal"), IdType("payee")
NAME, REASON = LineType(100), LineType(500)
USD, USD_LIMIT, RATE, ACCOUNT_RATE = UsdType(), UsdLimitType(), RateType(), AccountRateType()
SPAN, LIFETIME, MOMENT = SpanType(), LifetimeType(), MomentType()
ALLOWED, DENIED, NETWORKS = NamesType("any"), NamesType("none"), NetworksType()
