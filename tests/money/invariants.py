"""The invariants of money, checked on the facts after every step; and those that hold once all is at rest.

They use no function of the product: sums are computed again from rows, and compared with each other, with the outside's
knowledge (`model.py`), and with the processor's own books (`processor.py`). The numbers are those of the list of
invariants in the specification of money.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from tests.money.facts import CaptureFact, Facts, LotFact, MatchFact, PostingFact, RefundFact, SegmentFact
from tests.money.model import OutsideView
from tests.money.processor import BusyProcessor, CaptureStatement

from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import NANO_PER_CENT, NANO_PER_USD

_PARTS = 10_000
_CASHBACK = "expense/cashback"
_CLEARING = "clearing/stripe/usd"


@dataclass(frozen=True)
class Inspection:
    """The facts of a moment, and the outside's knowledge of it."""

    facts: Facts
    outside: OutsideView
    processor: BusyProcessor
    policy: Policy

    def after_every_step(self) -> None:
        self._lines_are_whole()
        self._places_are_as_posted()
        self._requests_are_charged_once()
        self._captures_give_back_no_more_than_they_took()
        self._rewards_are_within_their_caps()
        self._matches_are_locked_by_what_remains()
        self._credit_comes_from_somewhere()

    def at_rest(self) -> None:
        """Check the invariants once everything under way has arrived and all due work has run."""
        self._our_books_are_the_processors()
        assert not [each for each in self.facts.restricted if each.place == "payout"], "nothing is on its way"
        assert not self.facts.holds
        for wallet in self.facts.wallets:
            self.nothing_is_due(wallet.account_id)

    def nothing_is_due(self, account_id: UUID) -> None:
        """All spending has earned and unlocked its rewards, as it must before credit leaves the account."""
        self._cashback_is_what_was_earned(account_id)
        for match in self.facts.matches:
            if match.account_id == account_id and not self._is_match_cut(match):
                assert match.unlocked == min(self._drawn[match.top_up_lot], self._lots[match.match_lot].amount)

    def when_all_payments_have_gone_back(self) -> None:
        """A customer who took all money back has kept no reward that it brought: all spending was a gift or is owed."""
        for wallet in self.facts.wallets:
            account_id = wallet.account_id
            free = self.outside.gifts[account_id] + self._granted(account_id, "welcome", "code", "referral", "streak")
            free += self._trial_cashback(account_id)
            kept = wallet.line_end + self._restricted_of(account_id) + self._paid_out(account_id) - wallet.debt
            assert kept <= free, f"{account_id} keeps {kept}, of which {free} was given for nothing"

    # ---- 1, 2: the line, what is held, and the places of credit

    def _lines_are_whole(self) -> None:
        for wallet in self.facts.wallets:
            end = 0
            for segment in self._line(wallet.account_id):
                assert (segment.start_at, segment.end_at > segment.start_at) == (end, True)
                end = segment.end_at
            assert 0 <= wallet.spent <= wallet.spent + wallet.held <= wallet.line_end == end
            assert wallet.debt >= 0
            holds = sum(each.amount for each in self.facts.holds if each.account_id == wallet.account_id)
            assert wallet.held == holds == self.outside.held(wallet.account_id)

    def _places_are_as_posted(self) -> None:
        for wallet in self.facts.wallets:
            places = Counter({"debt": -wallet.debt})
            for segment in self._line(wallet.account_id):
                places[self._lots[segment.lot_id].pool] += segment.end_at - segment.start_at
            for each in self.facts.restricted:
                if each.account_id == wallet.account_id:
                    places[each.place] += each.amount
            posted = self._posted(f"account/{wallet.account_id}/")
            assert {**Counter(posted)} == {name: amount for name, amount in places.items() if amount}
        for lot_id, lot in self._lots.items():
            there = self._laid[lot_id] + self._beside[lot_id]
            assert 0 <= there <= lot.amount

    # ---- 3, 4, 9: requests

    def _requests_are_charged_once(self) -> None:
        charged = {each.id: (each.amount, each.version) for each in self.facts.usage}
        assert len(charged) == len(self.facts.usage)
        sent = {
            each.id: (each.charge, each.price.version.hex())
            for each in self.outside.requests
            if each.charge is not None
        }
        assert charged == sent
        for request in self.outside.requests:
            assert (request.charge or 0) <= request.bound
        for wallet in self.facts.wallets:
            assert wallet.spent == self.outside.spent(wallet.account_id)

    # ---- 3, 6, 11: captures

    def _captures_give_back_no_more_than_they_took(self) -> None:
        for capture in self.facts.captures:
            statement = self.statements[capture.capture_id]
            assert capture.captured == capture.captured_minor * NANO_PER_CENT == statement.paid * NANO_PER_CENT
            assert capture.captured == self._lots[capture.lot_id].amount
            assert min(capture.refunded, capture.disputed, capture.refunded_minor, capture.disputed_minor) >= 0
            assert capture.refunded + capture.disputed <= capture.captured
            assert capture.refunded_minor + capture.disputed_minor <= capture.captured_minor
            closed = sum(each.closed for each in self._refunds(capture) if each.state == "done")
            taken = sum(each.taken for each in self.facts.disputes if each.capture_id == capture.capture_id)
            assert (capture.refunded, capture.disputed) == (closed, taken)
        captured = [each.lot_id for each in self.facts.captures]
        assert sorted(captured) == sorted(each.id for each in self.facts.lots if each.origin == "top-up")
        for wallet in self.facts.wallets:
            assert wallet.topped_up == sum(
                each.captured - each.refunded - each.disputed
                for each in self.facts.captures
                if each.account_id == wallet.account_id
            )

    def _our_books_are_the_processors(self) -> None:
        """Every payment at the processor is a capture here; money that went back there did so here, or is our loss."""
        assert {each.capture_id for each in self.facts.captures} == {*self.statements}
        lost = 0
        for capture in self.facts.captures:
            statement = self.statements[capture.capture_id]
            gone = min(statement.paid, statement.refunded + statement.withdrawn)
            assert capture.refunded_minor + capture.disputed_minor == gone, (capture, statement)
            lost += statement.refunded + statement.withdrawn - gone
        there = sum(each.paid - each.refunded - each.withdrawn for each in self.statements.values())
        assert -self._outside_net[_CLEARING] == (there - self.processor.paid_out_minor) * NANO_PER_CENT
        assert -self._outside_net["loss/dispute"] == lost * NANO_PER_CENT

    # ---- 5, 7: rewards

    def _rewards_are_within_their_caps(self) -> None:
        policy = self.policy
        for wallet in self.facts.wallets:
            account_id = wallet.account_id
            assert self._granted(account_id) <= policy.incentives.life
            assert self._granted(account_id, "welcome") <= policy.grants.welcome
            assert self._granted(account_id, "match") <= policy.match.maximum
        for day in self.facts.days:
            assert day.granted <= policy.cashback.day
            assert day.granted <= self._earned(day.account_id).get(day.day, 0) // _PARTS
        for code_id, uses in self.outside.code_uses.items():
            redeemed = [each.account_id for each in self.facts.redemptions if each.code_id == code_id]
            assert len(redeemed) <= uses
            assert len({*redeemed}) == len(redeemed)
        instruments = [each.instrument for each in self.facts.matches]
        assert all(instruments)
        assert len({*instruments}) == len(instruments)

    def _matches_are_locked_by_what_remains(self) -> None:
        for match in self.facts.matches:
            locked = sum(
                each.amount
                for each in self.facts.restricted
                if (each.lot_id, each.place) == (match.match_lot, "locked")
            )
            drawn, there = self._drawn[match.top_up_lot], self._laid[match.top_up_lot]
            assert match.unlocked <= drawn
            due = min(locked, drawn - match.unlocked)
            assert locked - due <= there - drawn + self._beside[match.top_up_lot]

    # ---- 7: cashback, computed anew from the whole line

    def _cashback_is_what_was_earned(self, account_id: UUID) -> None:
        """To the nano-dollar, unless the cap for life or a dispute has cut something."""
        is_disputed = any(each.account_id == account_id for each in self.facts.disputes)
        if is_disputed or self._granted(account_id) + _PARTS > self.policy.incentives.life:
            return
        earned = {day: parts // _PARTS for day, parts in self._earned(account_id).items()}
        granted = {each.day: each.granted for each in self.facts.days if each.account_id == account_id}
        assert {day: nano for day, nano in granted.items() if nano} == {
            day: nano for day, nano in earned.items() if nano
        }
        assert self._granted(account_id, "cashback") == sum(granted.values())

    def _earned(self, account_id: UUID) -> Mapping[date, int]:
        """In ten-thousandths of a nano-dollar, by day; the cap for life aside."""
        terms = self.policy.cashback
        days: Counter[date] = Counter()
        paid = trial = 0
        for charge in self.facts.usage:
            if charge.account_id != account_id:
                continue
            rate = min(terms.base_bp + terms.step_bp * (paid // NANO_PER_USD), terms.max_bp)
            for lot, amount in self._lots_under(account_id, charge.pos, charge.pos + charge.amount):
                parts = min(amount * rate, terms.day * _PARTS - days[charge.day])
                if lot.pool == "trial":
                    parts = min(parts, terms.trial_life * _PARTS - trial)
                    trial += parts
                elif lot.origin != "top-up":
                    continue
                else:
                    paid += amount
                days[charge.day] += parts
        return days

    def _trial_cashback(self, account_id: UUID) -> int:
        has_trial = self._granted(account_id, "welcome", "streak") > 0
        return self.policy.cashback.trial_life if has_trial else 0

    # ---- conservation: where credit comes from

    def _credit_comes_from_somewhere(self) -> None:
        """The credit from each outside address, less what went back, is at most what the outside gave by it."""
        for wallet in self.facts.wallets:
            account_id, own = wallet.account_id, f"account/{wallet.account_id}/"
            came: Counter[str] = Counter()
            for each in self.facts.postings:
                if each.destination.startswith(own) and not each.source.startswith("account/"):
                    came[each.source] += each.amount
                elif each.source.startswith(own) and not each.destination.startswith("account/"):
                    came[each.destination] -= each.amount
            captures = [each for each in self.facts.captures if each.account_id == account_id]
            net = sum(each.captured - each.refunded - each.disputed for each in captures)
            assert came.pop(_CLEARING, 0) == net - self._paid_out(account_id)
            reversed_ = sum(
                each.reversed for each in self.facts.sources if self._lots[each.lot_id].account_id == account_id
            )
            assert came.pop(_CASHBACK, 0) == self._granted(account_id, "cashback") - reversed_
            given = self.outside.gifts[account_id] + self._granted(
                account_id, "welcome", "match", "referral", "code", "streak"
            )
            assert came.pop("expense/promotion", 0) <= given
            assert came.pop("revenue/breakage", 0) <= 0
            assert not +came, "credit from elsewhere"

    # ---- sums

    @cached_property
    def statements(self) -> Mapping[str, CaptureStatement]:
        return self.processor.statements()

    @cached_property
    def _lots(self) -> Mapping[UUID, LotFact]:
        return {lot.id: lot for lot in self.facts.lots}

    @cached_property
    def _laid(self) -> Counter[UUID]:
        laid: Counter[UUID] = Counter()
        for segment in self.facts.segments:
            laid[segment.lot_id] += segment.end_at - segment.start_at
        return laid

    @cached_property
    def _drawn(self) -> Counter[UUID]:
        spent = {wallet.account_id: wallet.spent for wallet in self.facts.wallets}
        drawn: Counter[UUID] = Counter()
        for segment in self.facts.segments:
            drawn[segment.lot_id] += max(0, min(segment.end_at, spent[segment.account_id]) - segment.start_at)
        return drawn

    @cached_property
    def _beside(self) -> Counter[UUID]:
        """The amount of a lot that is locked or set aside."""
        beside: Counter[UUID] = Counter()
        for each in self.facts.restricted:
            beside[each.lot_id] += each.amount
        return beside

    @cached_property
    def _outside_net(self) -> Counter[str]:
        """The amount that each outside address received."""
        net: Counter[str] = Counter()
        for each in self.facts.postings:
            net[each.destination] += each.amount
            net[each.source] -= each.amount
        return net

    def _posted(self, own: str) -> Mapping[str, int]:
        return {
            name.removeprefix(own): amount
            for name, amount in self._outside_net.items()
            if name.startswith(own) and amount
        }

    def _line(self, account_id: UUID) -> list[SegmentFact]:
        return [each for each in self.facts.segments if each.account_id == account_id]

    def _lots_under(self, account_id: UUID, start: int, end: int) -> Iterator[tuple[LotFact, int]]:
        for segment in self._line(account_id):
            amount = min(segment.end_at, end) - max(segment.start_at, start)
            if amount > 0:
                yield self._lots[segment.lot_id], amount

    def _granted(self, account_id: UUID, *kinds: str) -> int:
        return sum(
            each.amount
            for each in self.facts.rewards
            if each.account_id == account_id and each.state == "granted" and (not kinds or each.kind in kinds)
        )

    def _paid_out(self, account_id: UUID) -> int:
        """To payees."""
        return sum(
            each.amount
            for each in self.facts.withdrawals
            if (each.account_id, each.state) == (account_id, "done") and each.payee_id is not None
        )

    def _restricted_of(self, account_id: UUID) -> int:
        return sum(each.amount for each in self.facts.restricted if each.account_id == account_id)

    def _refunds(self, capture: CaptureFact) -> Sequence[RefundFact]:
        return [each for each in self.facts.refunds if each.capture_id == capture.capture_id]

    def _is_match_cut(self, match: MatchFact) -> bool:
        """It, or its top-up, has expired or was disputed, has paid debt or left some."""
        lots, now = (match.match_lot, match.top_up_lot), self.processor.clock.now()
        ends = [self._lots[lot_id].expires_at for lot_id in lots]
        [capture_id] = [each.capture_id for each in self.facts.captures if each.lot_id == match.top_up_lot]
        return (
            any(end is not None and end <= now for end in ends)
            or any(each.capture_id == capture_id for each in self.facts.disputes)
            or any(each.lot_id in lots and _of_debt(each) for each in self.facts.postings)
        )


def _of_debt(posting: PostingFact) -> bool:
    return posting.source.endswith("/debt") or posting.destination.endswith("/debt")
