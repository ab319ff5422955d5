"""The pins of sessions, in one worker's memory: bounded, and forgotten some time after a session's last request."""

from collections import OrderedDict

from tokenharbor.orchestra.pins import Pin

_MOST = 20_000  # some 15 MB


class PinBoard:
    """Pins by conversation, the one that expires next first. What is full loses the one that was quiet longest: its
    session is then routed as if it were new.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._pins: OrderedDict[str, Pin] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pins)

    def find(self, name: str, since: float) -> Pin | None:
        """The pin of a conversation whose last request was after a time."""
        pin = self._pins.get(name)
        return None if pin is None or pin.at < since else pin

    def keep(self, name: str, pin: Pin, since: float) -> None:
        """Instead of the one before; the oldest go if their last request was before a time."""
        pins = self._pins
        pins[name] = pin
        pins.move_to_end(name)
        while len(pins) > self._most or next(iter(pins.values())).at < since:
            pins.popitem(last=False)
