"""References of bank transfers, as operators enter them."""

from tokenharbor.kernel.errors import Rejected
from tokenharbor.payments.manual import transfer_reference


def read_reference(text: str) -> str:
    """In the form that is compared. Raises Rejected."""
    try:
        return transfer_reference(text)
    except ValueError as error:
        raise Rejected(str(error), param="reference") from None
