"""A running server with pages, a vendor and both processors' fakes; and people who have signed up there."""

import asyncio
import itertools
import re
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pyotp
from tests.e2e.cashier import CONFIGS, SECRETS, ProcessorThread
from tests.e2e.harbor import Harbor
from tests.e2e.vendor import Vendor
from tests.signin.openid_peer import CLIENT_SECRET, OpenIdPeer, openid_peer

from tokenharbor.accounts.credits import Grant, grant_credit
from tokenharbor.kernel import ids
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.world import World, real_world
from tokenharbor.ledger.types import Pool
from tokenharbor.simulator.paypal import SimulatedPayPal
from tokenharbor.simulator.stripe import SimulatedStripe

PASSWORD = "a long walk by the harbour"


_EDITION = """
extends = "token-harbor"

[topups]
processors = ["paypal", "stripe"]
methods = ["paypal", "card"]

[auto_topup]
enabled = true
"""
_CONFIG = """
edition = "both.toml"

[server]
trusted_proxies = ["127.0.0.1"]  # each visitor comes from an address of its own: attempts are limited by address

[openid]
name = "Peer"
issuer = "{openid}"
client_id = "harbor"
client_secret = "env:OPENID_SECRET"

[providers.one]
wire = "openai_chat"
base_url = "{vendor}/v1"
credential = "env:VENDOR_KEY"

[models.sim]
vendor = "sims"
context = 2000000
max_output = 1000000

[[models.sim.endpoints]]
provider = "one"
price = {{ input = "0", output = "1000.001" }}

[models.gift]
vendor = "sims"
context = 32000
max_output = 1000
capabilities = ["tools"]

[[models.gift.endpoints]]
provider = "one"
free = true
"""
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
_KEYS = {
    **SECRETS,
    "OPENID_SECRET": CLIENT_SECRET,
    "VENDOR_KEY": "vendor-key-of-the-tests",
    "TOKENHARBOR_CONSOLE_ENABLED": "true",
}


@dataclass(frozen=True)
class SiteSetup:
    """What a site is started with: its files (`config` is told the vendor's address; `name` is the edition's), more
    variables, the processors' world, and what happens before each answer of the vendor.
    """

    config: str = _CONFIG
    edition: str = _EDITION
    name: str = "both"
    variables: Mapping[str, str] = field(default_factory=dict)
    world: World = field(default_factory=real_world)
    before_answer: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Person:
    """A person who has signed up, and their session."""

    site: "Site" = field(repr=False)
    email: str
    account: str
    cookie: tuple[str, str]

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """What the control API answers; `path` begins at the account."""
        return self.site.send(method, f"/api/accounts/{self.account}{path}", body, cookie=self.cookie).json()

    def new_key(self, **rules: Any) -> str:
        made: str = self.send("POST", "/keys", {"name": "test"} | rules)["key"]
        return made

    def credit(self, usd: str, *, pool: str = "paid", expires: str = "") -> None:
        """Grant credit as the operator."""
        more = ("--expires", expires) if expires else ()
        self.site.harbor.cli("credit", self.account, "--usd", usd, "--pool", pool, "--reason", "test", *more)

    async def credit_for_a_moment(self, usd: str) -> None:
        """Trial credit that has expired when this returns."""
        grant = Grant(Usd.parse(usd), Pool.TRIAL, "test", lasts=timedelta(milliseconds=100))
        conn = await asyncpg.connect(self.site.database_url)
        try:
            await grant_credit(conn, real_world(), ids.parse("acct", self.account), grant)
        finally:
            await conn.close()
        await asyncio.sleep(0.1)

    def open_top_up(self, usd: str, method: str = "paypal") -> dict[str, Any]:
        body = {"amount_usd": usd, "currency": "USD", "method": method, "save_method": False}
        opened: dict[str, Any] = self.send("POST", "/top-ups", body)
        return opened

    def top_up(self, usd: str) -> dict[str, Any]:
        """Paid by PayPal, and credited."""
        opened = self.open_top_up(usd)
        self.pay(opened)
        paid: dict[str, Any] = self.send("POST", f"/top-ups/{opened['id']}/sync")
        assert paid["state"] == "paid", paid
        return paid

    def pay(self, opened: dict[str, Any]) -> None:
        """On the processor's page, by somebody who has paid for nobody else."""
        payer = f"payer{next(self.site.numbers)}"
        assert httpx.post(opened["url"], data={"outcome": "paid", "payer": payer}).status_code == 303

    def dispute(self, top_up: dict[str, Any]) -> None:
        """The payer wants all of it back, and PayPal takes it."""
        fake = self.site.paypal
        capture = self.site.payments_of(top_up["id"])["captures"][0]
        dispute = fake.call("dispute", capture_id=capture["id"], value=capture["amount"]["value"])["dispute_id"]
        fake.call("move_funds", dispute_id=dispute)

    def call(self, key: str, tokens: int = 213, session: str = "") -> str:
        """The id of a request that cost so many tokens of output, a tenth of a cent each."""
        self.site.vendor.set_answer({"text": "one two three", "usage": {"input": 3, "output": tokens}})
        answer = self.site.ask(key, tokens, session=session)
        assert answer.status_code == 200, answer.text
        return answer.headers["x-request-id"]


@dataclass
class Site:
    """The server; `url` has the name that browsers take for a safe place."""

    harbor: Harbor
    vendor: Vendor
    stripe: ProcessorThread
    paypal: ProcessorThread
    openid: OpenIdPeer
    database_url: str
    operator_cookie: tuple[str, str] = ("", "")
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @cached_property
    def url(self) -> str:
        return self.harbor.url.replace("127.0.0.1", "localhost")

    @cached_property
    def callers(self) -> httpx.Client:
        """The connections of clients with a key: to make a client for each request takes longer than the request."""
        return httpx.Client(timeout=60)

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Read once: to read the authorities takes longer than a request."""
        return ssl.create_default_context()

    def new_address(self) -> str:
        number = next(self.numbers)
        return f"198.18.{number // 250}.{number % 250 + 1}"

    def new_email(self) -> str:
        return f"visitor{next(self.numbers)}@example.com"

    def send(self, method: str, path: str, body: Any = None, *, cookie: tuple[str, str] = ("", "")) -> httpx.Response:
        headers = {"x-forwarded-for": self.new_address(), "origin": self.url, "cookie": "=".join(cookie)}
        headers["idempotency-key"] = f"test-{next(self.numbers)}"
        headers["user-agent"] = _AGENT
        answer = httpx.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=30, verify=self.tls)
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer

    def enter(self, path: str, body: dict[str, Any], cookie: tuple[str, str] = ("", "")) -> tuple[str, str]:
        """Return the cookie that an answer sets."""
        [(name, value)] = self.send("POST", path, body, cookie=cookie).cookies.items()
        return name, value

    def ask(self, key: str, tokens: int = 100, model: str = "sim", session: str = "") -> httpx.Response:
        """A request of a client, for so many tokens at most; of a session of its own, or of none."""
        asked = {"model": model, "max_tokens": tokens, "messages": [{"role": "user", "content": "Hello"}]}
        bearer = {"authorization": f"Bearer {key}"} | ({"x-session-id": session} if session else {})
        return self.callers.post(f"{self.url}/v1/chat/completions", json=asked, headers=bearer)

    @contextmanager
    def open_call(self, key: str) -> Iterator[None]:
        """A request that the vendor answers when the `with` ends."""
        self.vendor.set_answer({"text": "one two three", "usage": {"input": 3, "output": 100}})
        self.vendor.shut()
        with ThreadPoolExecutor(1) as thread:
            answer = thread.submit(self.ask, key)
            try:
                while not self.vendor.waiting:
                    time.sleep(0.01)
                yield
            finally:
                self.vendor.open()
            assert answer.result().status_code == 200, answer.result().text

    def enter_as_operator(self) -> None:
        token = self.harbor.cli("operators", "sign-in")["link"].partition("#")[2]
        self.operator_cookie = self.enter("/api/operator-sign-in", {"token": token})

    def operator(self) -> Person:
        """Return the operator, signed in."""
        session = self.send("GET", "/api/session", cookie=self.operator_cookie).json()
        return Person(self, session["user"]["email"], session["accounts"][0]["id"], self.operator_cookie)

    def kept_mails(self) -> list[dict[str, Any]]:
        """The last mails to users, as the operator reads them."""
        answer = self.send("GET", "/api/operator/mails", cookie=self.operator_cookie)
        mails: list[dict[str, Any]] = answer.json()["data"]
        return mails

    def mail_to(self, email: str) -> str:
        """Return the text of the last mail to an address."""
        body: str = next(each["body"] for each in self.kept_mails() if each["to"] == email)
        return body

    def mailed_link(self, email: str) -> str:
        """Return the link in the last mail to an address."""
        body = self.mail_to(email)
        found = re.search(r"http://\S+#\S+", body)
        assert found is not None, body
        return found[0]

    def sign_up(self, email: str = "", *, claims: bool = False, referral: str | None = None) -> Person:
        """Somebody new, without a browser."""
        email = email or self.new_email()
        mark = self.enter("/api/sign-up", {"email": email, "password": PASSWORD, "referral": referral})
        cookie = self.enter("/api/email-verification", {"token": self.mailed_link(email).partition("#")[2]}, mark)
        account = self.send("GET", "/api/session", cookie=cookie).json()["accounts"][0]["id"]
        person = Person(self, email, account, cookie)
        if claims:
            person.send("POST", "/rewards/welcome-grant")
        return person

    def connect(self, person: Person) -> Person:
        """To the other service, by the button in Settings: their session is another one then."""
        self.openid.who = (person.email, f"{person.account}@work.example")
        headers = {"x-forwarded-for": self.new_address(), "sec-fetch-site": "same-origin"}
        start = httpx.get(
            f"{self.url}/api/openid/start", headers=headers | {"cookie": "=".join(person.cookie)}, verify=self.tls
        )
        [kept] = start.cookies.items()
        back = httpx.get(start.headers["location"]).headers["location"]
        cookies = "; ".join("=".join(each) for each in (person.cookie, kept))
        end = httpx.get(back, headers=headers | {"cookie": cookies}, verify=self.tls)
        assert end.headers["location"] == "/dashboard/", end.headers
        return replace(person, cookie=(person.cookie[0], end.cookies[person.cookie[0]]))

    def join(self, owner: Person, role: str, email: str = "") -> Person:
        """Somebody who is a member of the account."""
        email = email or self.new_email()
        owner.send("POST", "/invitations", {"email": email, "role": role})
        token = self.mailed_link(email).partition("#")[2]
        cookie = self.enter("/api/invitation-acceptance", {"token": token, "password": PASSWORD})
        return Person(self, email, owner.account, cookie)

    def turn_codes_on(self, person: Person) -> str:
        """Codes are asked for from now on; one that works once, for who has lost the app."""
        made = self.send("POST", "/api/user/totp", {"password": PASSWORD}, cookie=person.cookie).json()
        body = {"code": pyotp.TOTP(made["secret"]).now()}
        codes: list[str] = self.send("PUT", "/api/user/totp", body, cookie=person.cookie).json()["recovery_codes"]
        return codes[0]

    def paid_back(self, top_up_id: str) -> list[str]:
        """What has come back at PayPal of a top-up, in USD."""
        return [refund["amount"]["value"] for refund in self.payments_of(top_up_id)["refunds"]]

    def payments_of(self, top_up_id: str) -> dict[str, Any]:
        """PayPal's captures and refunds of a top-up."""
        assert isinstance(self.paypal.server, SimulatedPayPal)
        units = [order["purchase_units"][0] for order in self.paypal.server.orders.values()]
        found: dict[str, Any] = next(unit["payments"] for unit in units if unit["custom_id"] == top_up_id)
        return found

    def secrets(self) -> set[str]:
        """Return the secrets that no page may show."""
        return {*_KEYS.values(), PASSWORD, self.operator_cookie[1]} - {"true"}


@contextmanager
def running_site(database_url: str, setup: SiteSetup | None = None) -> Iterator[Site]:
    setup = setup or SiteSetup()
    with (
        tempfile.TemporaryDirectory(prefix="th-browser-") as name,
        Vendor(setup.before_answer) as vendor,
        openid_peer() as openid,
    ):
        home = Path(name) / "home"
        home.mkdir(mode=0o755)
        stripe = ProcessorThread(lambda: SimulatedStripe(setup.world, secret=SECRETS["STRIPE_KEY"]))
        paypal = ProcessorThread(lambda: SimulatedPayPal(setup.world))
        processors = CONFIGS["stripe"].format(url=stripe.url) + CONFIGS["paypal"].format(url=paypal.url)
        (home / f"{setup.name}.toml").write_text(setup.edition)
        (home / "tokenharbor.toml").write_text(setup.config.format(vendor=vendor.url, openid=openid.url) + processors)
        variables = _KEYS | {"TOKENHARBOR_DATABASE_URL": database_url} | dict(setup.variables)
        site = Site(Harbor(home, "", variables), vendor, stripe, paypal, openid, database_url)
        try:
            site.harbor.start()
            for processor in (stripe, paypal):
                processor.call("webhooks", url=f"{site.harbor.url}/api/webhooks/{processor.server.name}")
            _wait_for_pages(site.url)
            site.enter_as_operator()
            yield site
        finally:
            site.callers.close()
            if site.harbor.server is not None:
                site.harbor.stop()
            vendor.open()
            stripe.stop()
            paypal.stop()


def _wait_for_pages(url: str) -> None:
    """The console's process begins beside the server."""
    until = time.monotonic() + 60
    while httpx.get(f"{url}/api/edition").status_code != 200:
        assert time.monotonic() < until, "the console does not start"
        time.sleep(0.05)
