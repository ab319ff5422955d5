"""The JSON documents of rewards, referrals and codes: one shape of each for commands, paths and pages."""

from typing import Any

from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import show_time
from tokenharbor.rewards.referrals import Referral
from tokenharbor.rewards.types import RedemptionCode, Reward


def reward_document(reward: Reward) -> dict[str, Any]:
    return {
        "id": ids.show("rew", reward.id),
        "account": ids.show("acct", reward.account_id),
        "kind": reward.kind.value,
        "state": reward.state.value,
        "usd": str(reward.amount),
        "wanted_usd": str(reward.wanted),
        "at": show_time(reward.at),
        "reason": reward.reason or None,
        "decided_by": reward.decided_by,
    }


def referral_document(referral: Referral) -> dict[str, Any]:
    return {
        "account": ids.show("acct", referral.referred),
        "signed_up_at": show_time(referral.signed_up_at),
        "state": referral.state,
        "active": referral.active,
        "paid": referral.paid,
    }


def code_document(code: RedemptionCode) -> dict[str, Any]:
    return {
        "id": ids.show("code", code.id),
        "usd": str(code.amount),
        "uses": code.uses,
        "used": code.used,
        "created_at": show_time(code.created_at),
        "expires_at": show_time(code.expires_at),
        "revoked_at": show_time(code.revoked_at),
        "credit_days": None if code.lasts is None else code.lasts.days,
        "note": code.note or None,
        "actor": code.actor,
    }
