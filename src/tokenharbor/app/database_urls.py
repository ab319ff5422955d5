"""The URLs of the operator's own PostgreSQL and its replica, from the settings."""

from tokenharbor.app.settings import REFERENCE, Settings
from tokenharbor.kernel.errors import Misconfigured


def database_url(settings: Settings) -> str | None:
    """Return the URL of the operator's own PostgreSQL, None for the embedded one. Raises Misconfigured."""
    return _postgres_url(settings, "[database]: url", settings.database.url)


def replica_url(settings: Settings) -> str | None:
    """Return the URL of the replica for long reads, None if there is none. Raises Misconfigured."""
    return _postgres_url(settings, "[console]: replica_url", settings.console.replica_url)


def _postgres_url(settings: Settings, field_name: str, stated: str | None) -> str | None:
    if stated is None:
        return None
    url = settings.secret(stated) if REFERENCE.fullmatch(stated) else stated
    if url is None:
        raise Misconfigured(f"{settings.file} {field_name}: {stated} is not set")
    if url.partition("://")[0] not in ("postgresql", "postgres"):
        raise Misconfigured(f"{settings.file} {field_name} must begin with postgresql://")
    return url
