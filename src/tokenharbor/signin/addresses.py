"""E-mail addresses that are thrown away after use."""

from collections.abc import Iterator


def is_disposable(email: str) -> bool:
    """Whether the mailbox, or one that its domain belongs to, is of a known service of throw-away mail."""
    from disposable_email_domains import blocklist  # noqa: PLC0415  5,000 names, for those who ask

    return any(domain in blocklist for domain in _domains(email.rpartition("@")[2]))


def _domains(domain: str) -> Iterator[str]:
    while domain:
        yield domain
        domain = domain.partition(".")[2]
