"""`usage.cost`, added to an answer for callers who ask for it."""

from tokenharbor.wire.framing.body import UnreadableError, edit, scan


def add_cost(body: bytes, cost_usd: str, name: str = "usage") -> bytes | None:
    """Return the object with `cost` (USD, a JSON number with the digits of `cost_usd`) set in its usage, every other
    byte unchanged; None if it has no usage object.
    """
    try:
        members = scan(body)
        usage = bytes(members.get(name, b""))
        priced = edit(usage, scan(usage), {"cost": cost_usd.encode()})
        return edit(body, members, {name: priced})
    except UnreadableError:
        return None


def price_answer(body: bytes, cost_usd: str) -> bytes:
    """Return a whole answer with its cost; unchanged if it has no usage."""
    return add_cost(body, cost_usd) or body
