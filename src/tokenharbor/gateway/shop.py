"""The shop: the snapshot on sale now, swapped whole; a bad file keeps the old one."""

from tokenharbor.gateway.snapshot import Snapshot


class Shop:
    """Holds the current snapshot; a request takes it once and keeps it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.current = snapshot

    def swap(self, snapshot: Snapshot) -> None:
        self.current = snapshot
