"""The texts of notices: facts as people and programs read them, mails, and the bodies of webhooks."""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, Final

import msgspec

from tokenharbor.alerts.types import AccountOwner, Notice, NoticeKind
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import show_time
from tokenharbor.kernel.ids import UUID, Kind
from tokenharbor.kernel.money import Money, Usd

_IDS: Final[Mapping[str, Kind]] = {
    "top_up_id": "topup",
    "refund_id": "refund",
    "dispute_id": "dispute",
    "withdrawal_id": "withdrawal",
    "key_id": "key",
    "lot_id": "lot",
}

DEFAULT_LANGUAGE: Final = "en"

PAGES: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.LOW_BALANCE: "billing/top-up",
    NoticeKind.DAILY_BUDGET: "billing/budgets",
    NoticeKind.MONTHLY_BUDGET: "billing/budgets",
    NoticeKind.KEY_QUOTA: "keys/{key}",
    NoticeKind.CREDIT_EXPIRING: "billing",
    NoticeKind.TOP_UP_RECEIVED: "billing/top-ups/{top_up}",
    NoticeKind.AUTO_TOP_UP_MADE: "billing/top-ups/{top_up}",
    NoticeKind.AUTO_TOP_UP_STOPPED: "billing/auto-top-up",
    NoticeKind.REFUND_MADE: "billing/top-ups/{top_up}",
    NoticeKind.DISPUTE_OPENED: "billing/top-ups/{top_up}",
    NoticeKind.DISPUTE_WON: "billing/top-ups/{top_up}",
    NoticeKind.DISPUTE_LOST: "billing/top-ups/{top_up}",
    NoticeKind.WITHDRAWAL_ASKED: "billing/withdrawals",
    NoticeKind.WITHDRAWAL_APPROVED: "billing/withdrawals",
    NoticeKind.WITHDRAWAL_DONE: "billing/withdrawals",
    NoticeKind.WITHDRAWAL_FAILED: "billing/withdrawals",
    NoticeKind.WITHDRAWAL_REJECTED: "billing/withdrawals",
    NoticeKind.PRICE_CHANGE: "usage",
    NoticeKind.MODEL_RETIREMENT: "usage",
    NoticeKind.TEST: "settings/alerts",
}
"""The page of the dashboard that each mail links to."""


class NoticeWords(msgspec.Struct, frozen=True):
    """The mail of a kind of notice. Names of facts are in braces."""

    subject: str
    body: str


class _Language(msgspec.Struct, frozen=True):
    """All texts of one language: of notices, of facts' values (pools, reasons), and of the lines below each mail."""

    pretended: str
    frame: str
    pools: Mapping[str, str]
    stops: Mapping[str, str]
    notices: Mapping[NoticeKind, NoticeWords]


LANGUAGES: Final[Mapping[str, _Language]] = msgspec.toml.decode(
    files("tokenharbor.alerts").joinpath("words.toml").read_bytes(), type=dict[str, _Language]
)


def by_language(owners: Iterable[AccountOwner]) -> Mapping[str, tuple[str, ...]]:
    """Group owners' e-mail addresses by the language that each gets: theirs if there are words for it, else English."""
    found: dict[str, list[str]] = {}
    for owner in owners:
        language = owner.language if owner.language in LANGUAGES else DEFAULT_LANGUAGE
        found.setdefault(language, []).append(owner.email)
    return {language: tuple(emails) for language, emails in found.items()}


def read_facts(notice: Notice) -> Mapping[str, Any]:
    """Return a notice's facts for programs: shown ids, amounts as decimal strings."""
    return dict(_shown(name, value, notice.facts, str) for name, value in notice.facts.items())


def notice_subject(notice: Notice, language: str = DEFAULT_LANGUAGE) -> str:
    """Return the subject line of a notice's mail."""
    words = LANGUAGES[language]
    return words.notices[notice.kind].subject.format_map(_brief(notice, words))


def notice_body(notice: Notice, public_url: str, language: str = DEFAULT_LANGUAGE) -> str:
    """Return the text of a notice's mail: what happened, what to do, a link, and the account and time."""
    words, facts = LANGUAGES[language], _brief(notice, LANGUAGES[language])
    pretended = f"{words.pretended}\n" if notice.facts.get("pretended") else ""
    account, at = ids.show("acct", notice.account_id), show_time(notice.at)
    page = f"{public_url}/dashboard/{PAGES[notice.kind].format_map(facts)}"
    frame = words.frame.format(account=account, at=at, server=public_url)
    return f"{words.notices[notice.kind].body.format_map(facts)}\n{pretended}\n{page}\n\n{frame}"


def notice_json(notice: Notice) -> bytes:
    """Return the JSON body of a notice's webhook."""
    return msgspec.json.encode(
        {
            "id": str(notice.id),
            "type": notice.kind.value,
            "account": ids.show("acct", notice.account_id),
            "at": show_time(notice.at),
            "facts": read_facts(notice),
        }
    )


def _brief(notice: Notice, words: _Language) -> Mapping[str, Any]:
    """Return a notice's facts for sentences: amounts in cents, pools and reasons in the mail's language."""
    facts = dict(_shown(name, value, notice.facts, Usd.brief_down) for name, value in notice.facts.items())
    facts["pool"] = words.pools.get(facts.get("pool", ""), facts.get("pool", ""))
    facts["reason"] = words.stops.get(facts.get("code", ""), "{reason}").format(reason=facts.get("reason", ""))
    return facts


def _shown(name: str, value: Any, facts: Mapping[str, Any], show_usd: Any) -> tuple[str, Any]:
    if name in _IDS:
        return name.removesuffix("_id"), ids.show(_IDS[name], UUID(value))
    if name.endswith("_nano"):
        return name.replace("_nano", "_usd"), show_usd(Usd(value))
    if name == "amount_minor":
        return "amount", str(Money(facts["currency"], value))
    return name, value
