"""An account's first ninety days: what people did on its pages and what their tools called, at a site whose clock is
moved. Nothing is written beside the API, the gateway and the jobs; the same seed does the same again.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import asyncpg
import httpx
from tests.browser.shared_clock import SharedClock
from tests.browser.site import PASSWORD, Person, Site, SiteSetup, running_site
from tests.browser.works import QUESTIONS, REPEATED, WORDINGS, WORKS, Call, Work, ask_guests, draw_call

from tokenharbor.alerts.context import Alerting
from tokenharbor.alerts.find import find_notices
from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.kernel.entropy import SystemEntropy
from tokenharbor.kernel.world import World, make_world
from tokenharbor.ledger.rollup import roll_up_all

NOW = datetime(2026, 11, 27, 14, 20, 11, tzinfo=UTC)
"""The moment at which the pages are looked at; the clock stands still then."""

DAYS = 90
EMAIL = "mara@northpier.example"
_FIRST = NOW.replace(hour=0, minute=0, second=0) - timedelta(days=DAYS - 1)
_SEED = 11
_EDITION = """
extends = "token-harbor"

[topups]
processors = ["paypal", "stripe"]
methods = ["paypal", "card"]

[auto_topup]
enabled = true

[cache]
semantic_compared_in = 1_000_000_000  # what the vendor is asked takes time: none beside the account's own calls
"""
_CONFIG = """
edition = "token-harbor.toml"

[server]
trusted_proxies = ["127.0.0.1"]

[operator]
name = "Token Harbor"
"""
_PROVIDER = """
[providers.{name}]
base_url = "{{vendor}}/{name}/v1"
credential = "env:VENDOR_KEY"
timeouts = {{{{ first_event = 3000, between_events = 3000, total = 3600 }}}}
"""
_PROVIDERS = ("alibaba", "anthropic", "deepseek", "google", "moonshot", "openai", "zhipu")


@dataclass
class Quarter:
    """The account at the end of them, and what pages are looked at by their ids."""

    site: Site
    clock: SharedClock
    chance: random.Random
    pace: float
    world: World
    owner: Person = field(init=False)
    keys: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    gateway: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=600))
    pending: list[tuple[int, int]] = field(default_factory=list)

    # What takes time at the vendor

    def take_time(self) -> None:
        """In the vendor's thread, before it answers: to the first content now, the rest while it is sent."""
        if self.pending:
            first, rest = self.pending[-1]
            self.clock.pass_ms(first)
            if rest:
                asyncio.get_running_loop().call_later(0.045, self.clock.pass_ms, rest)

    # The calls

    def call(self, call: Call, fails: str | None = None) -> str:
        """As a tool does it, though a provider may fail; its request's id."""
        return self._answer(call, fails).headers["x-request-id"]

    def _answer(self, call: Call, fails: str | None) -> httpx.Response:
        failing = self._failing(call.work) if fails is None else fails
        rule = {"match": {"path": f"/{failing}/*"}, "fault": {"kind": "status", "status": 503}}
        self.site.vendor.set_answer(dict(call.answer), seed=_SEED, rules=[rule] if failing else [])
        self.pending[:] = [(call.first_ms, call.rest_ms)]
        answer = self._ask(call)
        self.pending.clear()
        self.clock.move_to(self.clock.now())
        return answer

    def _ask(self, call: Call) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.keys[call.work.key]}", "anthropic-version": "2023-06-01"}
        if call.work.key == "Claude Code":  # a session for each morning and afternoon
            headers["x-session-id"] = f"{self.clock.now():%Y-%m-%d %p}"
        until = time.monotonic() + 15
        while True:
            answer = self.gateway.post(f"{self.site.url}{call.work.path}", json=call.body, headers=headers)
            if answer.status_code != 401 or time.monotonic() > until:  # a new key is known within a second
                return answer
            time.sleep(0.05)

    def _failing(self, work: Work) -> str:
        """Now and then a provider is overloaded: the one that has a second beside it, or all."""
        lots = self.chance.random()
        if work.model == "deepseek-v4-pro" and lots < 0.18:
            return "deepseek"
        return "*" if lots < 0.008 else ""

    def hang_up(self, call: Call) -> None:
        """The tool leaves in the middle of an answer."""
        stall = {"kind": "stall", "where": "mid", "after_content": 2, "ms": 1500}
        self.site.vendor.set_answer(dict(call.answer), rules=[{"fault": stall}])
        headers = {"authorization": f"Bearer {self.keys[call.work.key]}"}
        self.pending[:] = [(call.first_ms, 0)]
        with self.gateway.stream("POST", f"{self.site.url}{call.work.path}", json=call.body, headers=headers) as answer:
            next(answer.iter_raw(1))
        time.sleep(1)  # the gateway reads on for so long
        self.pending.clear()
        self.clock.move_to(self.clock.now())

    def _ask_in_other_words(self, question: str, wordings: int) -> None:
        """Within the hour. An answer that is kept may be the next one's."""
        for wording in WORDINGS[:wordings]:
            kept = self._counted("semantic_kept")
            answer = self._answer(ask_guests(self.chance, question, wording), "")
            assert answer.status_code == 200, answer.text
            if answer.headers["x-tokenharbor-cache"] == "semantic":
                self.ids["similar"] = answer.headers["x-request-id"]
            else:
                self._wait_for("semantic_kept", kept)

    def _turn_similar_on(self) -> None:
        """And ask something that makes the server load the model."""
        self.owner.send("PATCH", "/caching", {"semantic": True})
        self._answer(ask_guests(self.chance, "rent a dinghy", WORDINGS[0]), "")
        self._wait_for("semantic_loaded", 0)

    def _counted(self, event: str) -> float:
        """By the server, of its caches."""
        name = f'tokenharbor_cache_total{{event="{event}"}} '
        lines = self.gateway.get(f"{self.site.url}/metrics").text.splitlines()
        return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), 0)

    def _wait_for(self, event: str, before: float) -> None:
        """Until there were more of it."""
        until = time.monotonic() + 60
        while self._counted(event) <= before:
            assert time.monotonic() < until, self.gateway.get(f"{self.site.url}/metrics").text
            time.sleep(0.02)

    @contextmanager
    def open_call(self) -> Iterator[None]:
        """While the `with` lasts, one is not answered, and its money held."""
        call = draw_call(random.Random(_SEED), WORKS[0])
        self.site.vendor.set_answer(dict(call.answer))
        self.site.vendor.shut()
        with ThreadPoolExecutor(1) as thread:
            answer = thread.submit(self._ask, call)
            try:
                while not self.site.vendor.waiting:
                    time.sleep(0.01)
                yield
            finally:
                self.site.vendor.open()
            assert answer.result().status_code == 200, answer.result().text

    # The days

    def pass_days(self) -> None:
        steps: list[tuple[datetime, int, Callable[[], Any]]] = []

        def at(day: int, clock: str, work: Callable[[], Any]) -> None:
            hour, minute = (int(part) for part in clock.split(":"))
            moment = _FIRST + timedelta(days=day, hours=hour, minutes=minute, seconds=self.chance.randrange(60))
            steps.append((moment, len(steps), work))

        self._plan(at)
        for day in range(DAYS):
            at(day, "00:00", self._begin_day)
            self._plan_calls(at, day)
        for moment, _, work in sorted(steps):
            if moment <= NOW:
                self.clock.move_to(moment)
                work()
        self.clock.move_to(NOW)
        self._begin_day()
        self.sign_in()

    def _plan_calls(self, at: Callable[..., None], day: int) -> None:
        weekend = (_FIRST + timedelta(days=day)).weekday() >= 5
        usual = (6 + day / 4) * (0.25 if weekend else 1) * self.pace
        known = [work for work in WORKS if day >= _SINCE[work.key]]
        for work in self.chance.choices(
            known, [each.weight for each in known], k=max(1, round(usual * self.chance.uniform(0.6, 1.4)))
        ):
            clock = f"{self.chance.randint(*work.hours)}:{self.chance.randrange(60)}"
            at(day, clock, lambda work=work: self._work(work))

    def _work(self, work: Work) -> None:
        call = draw_call(self.chance, work)
        self.call(call)
        if self.chance.random() < REPEATED.get(work.key, 0):
            self.call(call, fails="")

    def _plan(self, at: Callable[..., None]) -> None:
        """What people do."""
        at(0, "00:01", self._begin)
        at(0, "06:10", lambda: self.owner.send("POST", "/rewards/welcome-grant"))
        at(1, "06:30", lambda: self.top_up("first", "50", "paypal"))
        at(3, "08:02", lambda: self.new_key("CI", daily_usd="2", rpm=120, models=["deepseek-v4-pro"]))
        at(6, "09:11", lambda: self.new_key("Staging", quota_usd="5"))
        at(8, "10:20", self._invite)
        at(9, "08:30", lambda: self.new_key("Support bot", monthly_usd="40", concurrency=8))
        at(15, "11:00", lambda: self._befriend("pilot@lighthouse.example", "50"))
        at(20, "10:40", lambda: self.new_key("Nightly evals", quota_usd="20"))
        at(81, "09:00", lambda: self.owner.send("POST", "/codes", {"code": self._code()}))
        at(38, "09:15", lambda: self.top_up("second", "50", "paypal"))
        at(52, "13:37", lambda: self.top_up("mistaken", "10", "paypal"))
        at(53, "08:05", self._refund)
        at(58, "12:00", lambda: self._revoke("Staging"))
        at(59, "09:40", self._turn_similar_on)
        rounds = (59, 8), (60, 8), (61, 7), (72, 10), (84, 10)  # of the first three all but one each are the trial
        for (day, wordings), question in zip(rounds, QUESTIONS[:-1], strict=True):
            at(day, "10:05", lambda question=question, wordings=wordings: self._ask_in_other_words(question, wordings))
        at(63, "16:00", lambda: self._befriend("ops@driftwood.example", ""))
        at(70, "09:30", lambda: self.owner.send("PATCH", "/alerts", {"low_balance_usd": "25"}))
        at(77, "10:10", lambda: self.top_up("card", "100", "card"))
        at(78, "10:00", self._automate)
        at(80, "15:20", self._manage)
        guest = {"email": "noor@northpier.example", "role": "viewer"}
        at(88, "15:40", lambda: self.owner.send("POST", "/invitations", guest))
        for day in (12, 33, 49, 61, 74, 86):
            at(day, "11:30", lambda: self.hang_up(draw_call(self.chance, WORKS[2])))
        self._plan_last_minutes(at)

    def _plan_last_minutes(self, at: Callable[..., None]) -> None:
        """What stands first on the pages: one of each end."""
        (sonnet, opus, terra, gemini), (plan, code, review) = WORKS[:4], WORKS[-3:]
        for clock, work in (("13:40", plan), ("13:52", code), ("13:58", code), ("14:03", review)):
            at(DAYS - 1, clock, lambda work=work: self._session_call(work))
        at(DAYS - 1, "14:06", lambda: self.call(draw_call(self.chance, sonnet)))
        at(DAYS - 1, "14:09", lambda: self.hang_up(draw_call(self.chance, terra)))
        at(DAYS - 1, "14:11", lambda: self.call(draw_call(self.chance, gemini), fails="google"))
        at(DAYS - 1, "14:12", lambda: self.call(draw_call(self.chance, gemini)))
        at(DAYS - 1, "14:15", lambda: self.call(draw_call(self.chance, opus)))
        at(DAYS - 1, "14:16", lambda: self._ask_in_other_words(QUESTIONS[-1], 2))
        at(DAYS - 1, "14:17", self._telling_call)
        at(DAYS - 1, "14:18", lambda: self._repeated_call(terra))
        at(DAYS - 1, "14:18", lambda: self.call(draw_call(self.chance, sonnet)))
        at(DAYS - 1, "14:19", lambda: self.call(draw_call(self.chance, terra)))

    def _begin(self) -> None:
        self.owner = self.site.sign_up(EMAIL)
        self.site.send("PATCH", "/api/user", {"name": "Mara Lind"}, cookie=self.owner.cookie)
        self.owner.send("PATCH", "", {"name": "North Pier"})
        self.owner.send("PATCH", "/budgets", {"daily_usd": "5"})
        self.new_key("Claude Code")

    def _begin_day(self) -> None:
        """The jobs of a server that ran all the while."""
        with ThreadPoolExecutor(1) as thread:  # where a loop may run already
            thread.submit(asyncio.run, self._run_jobs()).result()
        if hasattr(self, "owner"):
            if self.clock.now().weekday() == 0:
                self.sign_in()
            self.owner.send("GET", "/balance")

    async def _run_jobs(self) -> None:
        conn = await asyncpg.connect(self.site.database_url)
        try:
            await ensure_partitions(conn, self.clock.now())
            await find_notices(cast("Alerting", _Alerted(self.world, lambda: nullcontext(conn))))
        finally:
            await conn.close()
        if self.clock.now() >= NOW:
            async with asyncpg.create_pool(self.site.database_url, min_size=1, max_size=2) as pool:
                await roll_up_all(pool)

    def _telling_call(self) -> None:
        """Two providers are asked for it."""
        self.ids["receipt"] = self.call(draw_call(self.chance, WORKS[4]), fails="deepseek")

    def _session_call(self, work: Work) -> None:
        self.ids["staged"] = self.call(draw_call(self.chance, work), fails="")
        self.ids["session"] = self.owner.send("GET", f"/requests/{self.ids['staged']}")["session"]

    def _repeated_call(self, work: Work) -> None:
        call = draw_call(self.chance, work)
        self.call(call, fails="")
        self.ids["hit"] = self.call(call, fails="")

    def sign_in(self) -> None:
        """Sessions end after a while."""
        cookie = self.site.enter("/api/session", {"email": EMAIL, "password": PASSWORD})
        self.owner = Person(self.site, EMAIL, self.owner.account, cookie)

    def newcomer(self) -> Person:
        """Somebody who has just come."""
        self.site.enter_as_operator()
        return self.site.sign_up("lena@newhaven.example")

    def new_key(self, name: str, **rules: Any) -> None:
        made = self.owner.send("POST", "/keys", {"name": name} | rules)
        self.keys[name], self.ids[name] = made["key"], made["id"]

    def top_up(self, name: str, usd: str, method: str, owner: Person | None = None) -> None:
        person = owner or self.owner
        body = {"amount_usd": usd, "currency": "USD", "method": method, "save_method": method == "card"}
        opened = person.send("POST", "/top-ups", body)
        payer = {"outcome": "paid", "payer": person.email.partition("@")[0]}
        assert httpx.post(opened["url"], data=payer).status_code == 303
        assert person.send("POST", f"/top-ups/{opened['id']}/sync")["state"] == "paid"
        self.ids[name] = opened["id"]

    def _refund(self) -> None:
        body = {"amount_usd": None, "reason": "paid twice"}
        self.owner.send("POST", f"/top-ups/{self.ids['mistaken']}/refunds", body)

    def _revoke(self, name: str) -> None:
        self.owner.send("POST", f"/keys/{self.ids[name]}/revocation")

    def _code(self) -> str:
        made = self.site.harbor.cli("codes", "create", "--usd", "10", "--expires", "14d", "--note", "harbour days")
        code: str = made["code"]
        return code

    def _befriend(self, email: str, usd: str) -> None:
        """Somebody signs up by the account's link, and perhaps pays."""
        self.site.enter_as_operator()
        referral = self.owner.send("GET", "/rewards")["referral"]["code"]
        friend = self.site.sign_up(email, referral=referral)
        if usd:
            self.top_up("friend's", usd, "paypal", friend)
            self.keys[email] = friend.send("POST", "/keys", {"name": "first"})["key"]
            self.call(draw_call(self.chance, replace(WORKS[2], key=email)))

    def _invite(self) -> None:
        self.site.enter_as_operator()
        for email, role in _TEAM:
            self.site.join(self.owner, role, email)

    def _automate(self) -> None:
        body = {"threshold_usd": "10", "amount_usd": "50", "month_usd": "100"}
        self.owner.send("PUT", "/auto-top-up", body)

    def _manage(self) -> None:
        self.owner.send("POST", "/management-keys", {"name": "Terraform", "role": "developer", "expires_at": None})


_SINCE = {"Claude Code": 0, "CI": 4, "Support bot": 10, "Nightly evals": 21}
_TEAM = (
    ("jonas@northpier.example", "admin"),
    ("ines@northpier.example", "developer"),
    ("books@northpier.example", "billing"),
)


@dataclass(frozen=True)
class _Alerted:
    """What finding notices asks of its context."""

    world: World
    acquire: Any


@contextmanager
def running_quarter(database_url: str, folder: Any, pace: float = 1.0) -> Iterator[Quarter]:
    """A site with the account, at the moment `NOW`; `pace` is of how many calls it made. The clock of this process is
    the site's while the `with` lasts.
    """
    clock = SharedClock(folder / "clock", _FIRST)
    world = make_world(clock, SystemEntropy())
    holder: list[Quarter] = []
    setup = SiteSetup(
        config=_CONFIG + "".join(_PROVIDER.format(name=name) for name in _PROVIDERS),
        edition=_EDITION,
        name="token-harbor",
        variables=clock.environment(),
        world=world,
        before_answer=lambda: holder[0].take_time() if holder else None,
    )
    with clock.here(), running_site(database_url, setup) as site:
        quarter = Quarter(site, clock, random.Random(_SEED), pace, world)
        holder.append(quarter)
        with quarter.gateway:
            quarter.pass_days()
            yield quarter
