"""What all requests of one key for one model are billed by."""

import msgspec

from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.payer import Payer


class BillingLane(msgspec.Struct, frozen=True):
    """`asked_name` is the model as the callers name it, `model_name` its canonical name."""

    payer: Payer
    policy: Policy
    dialect: str
    asked_name: str
    model_name: str
