"""Orders as tests place them."""

from tokenharbor.kernel.money import Money
from tokenharbor.payments.types import CheckoutOrder, RefundOrder

TOP_UP = "topup_01j0example"


def checkout(
    minor: int = 1000, currency: str = "USD", *, method: str = "card", top_up_id: str = TOP_UP, save: bool = False
) -> CheckoutOrder:
    return CheckoutOrder(
        top_up_id=top_up_id,
        money=Money(currency, minor),
        method=method,
        description="Token Harbor credit",
        return_url="http://127.0.0.1/back",
        cancel_url="http://127.0.0.1/cancel",
        idempotency_key=f"{top_up_id}-1",
        save_method=save,
    )


def refund(capture_id: str, minor: int, refund_id: str = "refund_1", currency: str = "USD") -> RefundOrder:
    money = Money(currency, minor)
    return RefundOrder(refund_id=refund_id, capture_id=capture_id, money=money, idempotency_key=f"{refund_id}-1")
