"""Rewards: what accounts are given beside what they pay for, each once: grants, matches, referrals, cashback, codes."""
