"""An auditor who has the ledger's CSV alone: every balance is recomputed, every payment's capture is found."""

import csv
from collections.abc import Iterable, Mapping
from decimal import Decimal


def audit(lines: Iterable[str]) -> Mapping[str, Decimal]:
    """What each capture has brought in. Raises ValueError with the number of the first row that is wrong."""
    balance = Decimal(0)
    captured: dict[str, Decimal] = {}
    left: dict[str, Decimal] = {}
    for number, row in enumerate(csv.DictReader(lines), start=2):
        amount, captures = Decimal(row["Amount USD"]), row["PayPal capture ID"].split()
        balance += amount
        if Decimal(row["Running balance USD"]) != balance or balance < 0:
            raise ValueError(f"row {number}: the balance is not the one before plus the amount")
        if row["Type"] == "recharge":
            if len(captures) != 1 or captures[0] in captured or not row["Order ID"].startswith("topup_"):
                raise ValueError(f"row {number}: a payment has one order and one capture of its own")
            captured[captures[0]] = left[captures[0]] = amount
        elif any(capture not in captured for capture in captures):
            raise ValueError(f"row {number}: it moves a payment that has not come")
        elif len(captures) == 1 and amount < 0:
            left[captures[0]] += amount
            if left[captures[0]] < 0:
                raise ValueError(f"row {number}: more leaves than was paid")
    return captured
