"""The replay of journals when a gateway starts, before the holds of earlier gateways of its HOME are released."""

from collections.abc import Sequence
from pathlib import Path

import structlog

from tokenharbor.billing.alarms import Alarm, Alarms
from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.ids import show
from tokenharbor.ledger.book import RequestBook, wait_for_answers
from tokenharbor.ledger.journal import read_journal, remove_journal, set_journal_aside
from tokenharbor.ledger.types import SettledCharge, Settlement

_BATCH = 256
_log = structlog.get_logger("journal")


async def replay(files: Sequence[Path], book: RequestBook, alarms: Alarms) -> None:
    """Settle the requests in journals, each once and at its own time, then remove the files. A journal with a
    settlement that the books refused is set aside. Raises Misconfigured for a damaged journal, before anything is
    settled, and DatabaseUnavailable; then the files stay.
    """
    read = [(file, read_journal(file)) for file in files]
    for file, settlements in read:
        refused = 0
        for begin in range(0, len(settlements), _BATCH):
            batch = settlements[begin : begin + _BATCH]
            answers = await wait_for_answers(await book.settle(batch))
            for settlement, answer in zip(batch, answers, strict=True):
                refused += _note(settlement, answer, alarms)
        if refused:
            set_journal_aside(file)
        else:
            remove_journal(file)
        _log.info("journal_replayed", file=file.name, requests=len(settlements), refused=refused)


def _note(settlement: Settlement, answer: SettledCharge | Exception, alarms: Alarms) -> bool:
    """Log a refusal or an overrun. Return whether the settlement was refused. Raises other errors."""
    if isinstance(answer, BooksRefused):
        _log.error("journal_refused", request=show("req", settlement.request_id), reason=str(answer))
    elif isinstance(answer, Exception):
        raise answer
    elif answer.overrun and not answer.repeated:
        lost, product = int(answer.overrun), settlement.product
        alarms.report(Alarm.OVERRUN, settlement.request_id, product.provider, product.model, lost_nano=lost)
    return isinstance(answer, BooksRefused)
