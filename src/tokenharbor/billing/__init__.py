"""Floor 4: quotes, holds, charges and receipts."""
