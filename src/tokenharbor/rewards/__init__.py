"""Rewards: credit that accounts get without paying, each once: grants, matches, referrals, cashback, codes."""
