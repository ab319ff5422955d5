"""Who pays for a request: an account, by one of its API keys."""

from functools import cached_property

import msgspec

from tokenharbor.kernel.ids import UUID


class Payer(msgspec.Struct, frozen=True, dict=True):
    """Made once for each key and shared by all its requests: what is derived from it is worked out once."""

    account_id: UUID
    key_id: UUID

    @cached_property
    def account_hex(self) -> str:
        return self.account_id.hex

    @cached_property
    def key_hex(self) -> str:
        return self.key_id.hex
