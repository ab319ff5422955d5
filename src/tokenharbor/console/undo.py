"""The undo of an e-mail change in payments and alerts."""

from collections.abc import Sequence
from dataclasses import dataclass

from tokenharbor.alerts.context import Alerting
from tokenharbor.alerts.preferences import restore_alerts
from tokenharbor.funding.context import Funding
from tokenharbor.funding.undo import undo_funding
from tokenharbor.signin.undo import Intrusion, Undone, UndoneKind


@dataclass(frozen=True, slots=True)
class UndoOutsideSignIn:
    """Undoes an intruder's changes to payments and alerts, for `signin/undo.py`."""

    funding: Funding
    alerting: Alerting

    async def undo(self, intrusion: Intrusion) -> Sequence[Undone]:
        return [*await self._of_funding(intrusion), *await self._of_alerts(intrusion)]

    async def _of_funding(self, intrusion: Intrusion) -> Sequence[Undone]:
        ended = await undo_funding(
            intrusion.conn,
            self.funding,
            intrusion.account_id,
            actors=intrusion.actors,
            since=intrusion.since,
            by=intrusion.by.id,
        )
        undone = [
            intrusion.undone(UndoneKind.WITHDRAWAL, each.shown_id, f"{each.amount.brief_down()} USD")
            for each in ended.withdrawals
        ]
        undone += [intrusion.undone(UndoneKind.PAYEE, each.shown_id, address) for each, address in ended.payees]
        return [*undone, intrusion.undone(UndoneKind.AUTO_TOP_UP)] if ended.auto_top_up else undone

    async def _of_alerts(self, intrusion: Intrusion) -> Sequence[Undone]:
        dropped, restored = await restore_alerts(
            intrusion.conn,
            self.alerting,
            intrusion.account_id,
            webhook=intrusion.has_changed("alert_webhook"),
            mail=intrusion.has_changed("alerts"),
        )
        kinds = {UndoneKind.ALERT_WEBHOOK: dropped, UndoneKind.ALERTS: restored}
        return [intrusion.undone(kind) for kind, done in kinds.items() if done]
