"""Who is calling: what a key's snapshot says, frozen."""

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

from tokenharbor.kernel.ids import UUID


@dataclass(frozen=True, slots=True)
class Caller:
    """An API key in force. Empty sets mean no rule."""

    key_id: UUID
    account_id: UUID
    models: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    denied_providers: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    expires_at: datetime | None = None
