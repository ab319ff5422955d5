"""How many tokens a vendor would count for a conversation, estimated here."""

from tokenharbor.wire.count.estimate import estimate_tokens as estimate_tokens
