"""Who reads a page, as far as it looks otherwise to them: language, light or dark, signed in or not."""

from dataclasses import dataclass
from typing import Final

from tokenharbor.console.context import AnyConnection
from tokenharbor.console.cookies import session_token
from tokenharbor.console.site.words import Language, accepted_language, known_language

LANGUAGE_COOKIE: Final = "th-language"
SCHEME_COOKIE: Final = "th-scheme"
"""What the dashboard remembers of its reader's choice."""

_SCHEMES: Final = ("light", "dark")


@dataclass(frozen=True, slots=True)
class SiteReader:
    """`stated`: the address says the language, so links keep it. `scheme` "": as the system."""

    language: Language
    stated: bool
    scheme: str
    signed_in: bool  # has a session, in force or not


def reader_of(connection: AnyConnection, language: str | None) -> SiteReader:
    """`language` is what the address states."""
    stated = known_language(language)
    chosen = stated or known_language(connection.cookies.get(LANGUAGE_COOKIE))
    scheme = connection.cookies.get(SCHEME_COOKIE, "")
    return SiteReader(
        chosen or accepted_language(connection.headers.get("accept-language", "")),
        stated is not None,
        scheme if scheme in _SCHEMES else "",
        session_token(connection) is not None,
    )
