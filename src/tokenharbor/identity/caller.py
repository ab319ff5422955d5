"""Who is calling: what a key's snapshot says, frozen."""

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.payer import Payer


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """An API key in force. Empty sets mean no rule. A key that changes is another object, and unequal to this one."""

    payer: Payer
    models: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    denied_providers: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    expires_at: datetime | None = None

    @property
    def account_id(self) -> UUID:
        return self.payer.account_id

    @property
    def key_id(self) -> UUID:
        return self.payer.key_id
