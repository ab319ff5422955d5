"""The pins of sessions in one worker's memory: bounded, and dropped some time after a session's last request."""

from collections import OrderedDict

from tokenharbor.orchestra.pins import Pin

_MOST = 20_000  # about 15 MB


class PinBoard:
    """Pins by session and by conversation, the oldest first. When it is full, the pin that was idle longest is evicted:
    its session is then routed as a new one.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._pins: OrderedDict[str, Pin] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pins)

    def find(self, name: str, since: float) -> Pin | None:
        """Return the pin of a name, or None if there is none or its last request was before `since`."""
        pin = self._pins.get(name)
        return None if pin is None or pin.at < since else pin

    def keep(self, name: str, pin: Pin, since: float) -> None:
        """Keep a pin in place of the one before, and drop the pins whose last request was before `since`."""
        pins = self._pins
        pins[name] = pin
        pins.move_to_end(name)
        while len(pins) > self._most or next(iter(pins.values())).at < since:
            pins.popitem(last=False)
