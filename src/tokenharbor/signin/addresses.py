"""Detection of disposable e-mail addresses."""

from collections.abc import Iterator


def is_disposable(email: str) -> bool:
    """Return whether the address's domain, or a parent of it, belongs to a known service of disposable mail."""
    from disposable_email_domains import blocklist  # noqa: PLC0415  5,000 names, imported only if needed

    return any(domain in blocklist for domain in _domains(email.rpartition("@")[2]))


def _domains(domain: str) -> Iterator[str]:
    while domain:
        yield domain
        domain = domain.partition(".")[2]
