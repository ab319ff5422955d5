"""Authorisation: the rights that a route can require, and the table of roles and their rights."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from tokenharbor.identity.roles import AccountRole


class Right(StrEnum):
    """The right that a route requires of its caller. Each route states one, as `right=`."""

    ANYBODY = "anybody"  # no sign-in
    SIGNED_IN = "signed_in"  # a user's own profile and sessions
    READ = "read"  # everything of an account except secrets
    MANAGE_KEYS = "manage_keys"
    SPEND = "spend"  # top up, refund, withdraw, auto top-up, payees, codes
    MANAGE = "manage"  # team, management keys, settings
    OWN = "own"  # close or transfer the account
    OPERATE = "operate"  # the paths for operators


_VIEWER = frozenset({Right.READ})

RIGHTS: Final[Mapping[AccountRole, frozenset[Right]]] = {
    AccountRole.VIEWER: _VIEWER,
    AccountRole.DEVELOPER: _VIEWER | {Right.MANAGE_KEYS},
    AccountRole.BILLING: _VIEWER | {Right.SPEND},
    AccountRole.ADMIN: _VIEWER | {Right.MANAGE_KEYS, Right.SPEND, Right.MANAGE},
    AccountRole.OWNER: _VIEWER | {Right.MANAGE_KEYS, Right.SPEND, Right.MANAGE, Right.OWN},
}
"""A role's rights on its account. Everybody has `ANYBODY`, users have `SIGNED_IN`, operators `OPERATE`."""
