"""Roles: what a user, or a management key, is to an account."""

from enum import StrEnum


class AccountRole(StrEnum):
    """From the most to the least. What each may do: `console/authority.py`."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    BILLING = "billing"
    VIEWER = "viewer"
