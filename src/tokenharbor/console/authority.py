"""Who may do what: the rights that a route can ask for, and the one table of roles and their rights."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from tokenharbor.identity.roles import AccountRole


class Right(StrEnum):
    """What a route asks of its caller. Each route states one, as `right=`."""

    ANYBODY = "anybody"  # no sign-in is needed
    SIGNED_IN = "signed_in"  # a user: their own profile and sessions
    READ = "read"  # everything of an account but secrets
    MANAGE_KEYS = "manage_keys"
    SPEND = "spend"  # top up, refund, withdraw, auto top-up, payees, codes
    MANAGE = "manage"  # team, management keys, settings
    OWN = "own"  # close or transfer the account
    OPERATE = "operate"  # the operator's paths


_VIEWER = frozenset({Right.READ})

RIGHTS: Final[Mapping[AccountRole, frozenset[Right]]] = {
    AccountRole.VIEWER: _VIEWER,
    AccountRole.DEVELOPER: _VIEWER | {Right.MANAGE_KEYS},
    AccountRole.BILLING: _VIEWER | {Right.SPEND},
    AccountRole.ADMIN: _VIEWER | {Right.MANAGE_KEYS, Right.SPEND, Right.MANAGE},
    AccountRole.OWNER: _VIEWER | {Right.MANAGE_KEYS, Right.SPEND, Right.MANAGE, Right.OWN},
}
"""What a role may do with its account. Everybody has `ANYBODY`, users have `SIGNED_IN`, operators `OPERATE`."""
