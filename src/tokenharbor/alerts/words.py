"""The words of notices: facts as people and programs read them, the mail and the webhook of each kind."""

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


class NoticeWords(msgspec.Struct, frozen=True):
    """The mail of a kind of notice; facts stand in braces."""

    subject: str
    body: str


class _Language(msgspec.Struct, frozen=True):
    """All words of one: of notices, of the values of facts, of what stands below each mail."""

    pretended: str
    frame: str
    pools: Mapping[str, str]
    stops: Mapping[str, str]
    notices: Mapping[NoticeKind, NoticeWords]


LANGUAGES: Final[Mapping[str, _Language]] = msgspec.toml.decode(
    files("tokenharbor.alerts").joinpath("words.toml").read_bytes(), type=dict[str, _Language]
)


def by_language(owners: Iterable[AccountOwner]) -> Mapping[str, tuple[str, ...]]:
    """Their e-mails, by the language of ours that each reads."""
    found: dict[str, list[str]] = {}
    for owner in owners:
        language = owner.language if owner.language in LANGUAGES else DEFAULT_LANGUAGE
        found.setdefault(language, []).append(owner.email)
    return {language: tuple(emails) for language, emails in found.items()}


def read_facts(notice: Notice) -> Mapping[str, Any]:
    """For programs: ids as they are shown, amounts as decimal strings."""
    return dict(_shown(name, value, notice.facts, str) for name, value in notice.facts.items())


def notice_subject(notice: Notice, language: str = DEFAULT_LANGUAGE) -> str:
    words = LANGUAGES[language]
    return words.notices[notice.kind].subject.format_map(_brief(notice, words))


def notice_body(notice: Notice, public_url: str, language: str = DEFAULT_LANGUAGE) -> str:
    """What has happened, to which account and when, and who says so."""
    words = LANGUAGES[language]
    pretended = f"{words.pretended}\n" if notice.facts.get("pretended") else ""
    account, at = ids.show("acct", notice.account_id), show_time(notice.at)
    frame = words.frame.format(account=account, at=at, server=public_url)
    return f"{words.notices[notice.kind].body.format_map(_brief(notice, words))}\n{pretended}\n{frame}"


def notice_json(notice: Notice) -> bytes:
    """The body of a webhook."""
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
    """For sentences, with what has words of its own in them."""
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
