// The kinds of entries that a ledger can be filtered by.
export const LEDGER_TYPES = ["top_ups", "spending", "cashback", "referral", "promotional"] as const;
export type LedgerType = (typeof LEDGER_TYPES)[number];
