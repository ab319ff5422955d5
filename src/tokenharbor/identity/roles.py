"""The roles of users and management keys in an account."""

from enum import StrEnum


class AccountRole(StrEnum):
    """A role, from the most rights to the least. `console/authority.py` lists the rights of each."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    BILLING = "billing"
    VIEWER = "viewer"
