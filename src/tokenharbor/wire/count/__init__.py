"""Estimates of the tokens that a vendor would count for a conversation."""

from tokenharbor.wire.count.estimate import estimate_tokens as estimate_tokens
