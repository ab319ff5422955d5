"""`usage.cost`, added to an answer for callers who ask for it."""

from tokenharbor.wire.body import UnreadableError, edit, scan


def add_cost(body: bytes, cost_usd: str) -> bytes | None:
    """The object with `cost` (USD, a JSON number with the digits of `cost_usd`) set in its `usage`, every other
    byte as it was; None if it has no usage object.
    """
    try:
        _, spans = scan(body)
        for name, _, start, end in spans:
            if name == "usage" and body[start : start + 1] == b"{":
                usage = body[start:end]
                priced = edit(usage, scan(usage)[1], {"cost": cost_usd.encode()})
                return body[:start] + priced + body[end:]
    except UnreadableError:
        pass
    return None
