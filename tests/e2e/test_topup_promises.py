"""What each reference service promises of top-ups, on a running server of its edition with a simulated processor."""

from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest
from tests.e2e.cashier import Cashier, running_cashier

from tokenharbor.simulator.stripe import SimulatedStripe

pytestmark = pytest.mark.slow


def terms(cashier: Cashier) -> list[tuple[str, str, datetime | None]]:
    return cashier.fetch("select pool, origin, expires_at from lot where origin = 'top-up'")


def test_TH_B3_packs_by_paypal_give_what_was_paid_and_never_expire(database_url: str) -> None:
    with running_cashier("token-harbor", "paypal", database_url) as cashier:
        for number, pack in enumerate(("10", "50", "100"), start=1):
            opened = cashier.create(pack)
            assert (opened["amount"], opened["currency"], opened["processor"]) == (f"{pack}.00", "USD", "paypal")
            assert opened["url"].startswith("http")
            cashier.pay(opened)
            paid = cashier.wait_for(opened)
            assert (paid["credit_usd"], paid["pretended"]) == (f"{pack}.000000000", False)
            assert paid["capture"]
            cashier.check(number)
        assert cashier.balance() == "160.000000000"
        assert terms(cashier) == [("paid", "top-up", None)] * 3
        refused = cashier.harbor.run("topups", "create", cashier.account, "--usd", "11")
        assert (refused.returncode, "10.00, $50.00, $100.00" in refused.stderr) == (1, True)


def test_HUB_3_a_checkout_in_USD_or_CNY_posts_within_15_s_and_lasts_12_months(database_url: str) -> None:
    with running_cashier("token-hub", "stripe", database_url) as cashier:
        cashier.cli("topups", "rates", "--set", "CNY", "7.1234")
        in_usd = cashier.create("50")
        in_cny = cashier.create("10", "--currency", "CNY", "--method", "alipay")
        assert (in_cny["amount"], in_cny["currency"], in_cny["rate"]) == ("71.24", "CNY", "7.1234")
        for opened in (in_usd, in_cny):
            cashier.pay(opened)
            cashier.wait_for(opened)
        assert cashier.balance() == "60.000000000"
        assert cashier.processor is not None
        cashier.processor.call("webhooks", url=None)
        unannounced = cashier.create("10")
        cashier.pay(unannounced)
        cashier.wait_for(unannounced)
        now = datetime.now(UTC)
        for pool, origin, expires_at in terms(cashier):
            assert (pool, origin) == ("paid", "top-up")
            assert expires_at is not None
            assert (expires_at.year, expires_at.month, expires_at.day) == (now.year + 1, now.month, now.day)
        cashier.check(3)


def test_HUB_11_custom_amounts_stand_beside_the_presets(database_url: str) -> None:
    with running_cashier("token-hub", "stripe", database_url) as cashier:
        for amount in ("10", "12.34"):
            opened = cashier.create(amount)
            cashier.pay(opened)
            cashier.wait_for(opened)
        assert cashier.balance() == "22.340000000"
        for amount in ("4.99", "1000.01", "5.001"):
            assert cashier.harbor.run("topups", "create", cashier.account, "--usd", amount).returncode == 1, amount
        cashier.check(2)


def test_LNK_3_top_ups_are_in_USD_and_so_is_what_is_spent(database_url: str) -> None:
    with running_cashier("tokenhub", "stripe", database_url) as cashier:
        refused = cashier.harbor.run("topups", "create", cashier.account, "--usd", "10", "--currency", "CNY")
        assert (refused.returncode, "USD" in refused.stderr) == (1, True)
        opened = cashier.create("10")
        assert opened["currency"] == "USD"
        cashier.pay(opened)
        cashier.wait_for(opened)
        key = cashier.harbor.new_key(cashier.account)
        bearer = {"authorization": f"Bearer {key}"}
        asked = {"model": "demo-chat", "temperature": 0.5, "messages": [{"role": "user", "content": "Hello"}]}
        assert httpx.post(f"{cashier.harbor.url}/v1/chat/completions", json=asked, headers=bearer).status_code == 200
        shown = httpx.get(f"{cashier.harbor.url}/v1/account/balance", headers=bearer).json()
        assert shown["currency"] == "USD"
        assert Decimal("9.9") < Decimal(shown["balance_usd"]) < 10
        cashier.check(1)


def test_forged_webhooks_are_refused_logged_and_counted_and_credit_nothing(database_url: str) -> None:
    with running_cashier("token-hub", "stripe", database_url) as cashier:
        assert cashier.processor is not None
        fake = cashier.processor
        opened = cashier.create("10")
        [(processor_id,)] = cashier.fetch("select processor_id from top_up")
        about = {"id": processor_id, "object": "checkout.session", "payment_status": "paid", "amount_total": 1000}
        completed = {"kind": "checkout.session.completed", "about": about}
        assert fake.call("forge", **completed, secret="of somebody else") == 400
        assert fake.call("forge", **completed, secret="") == 400
        assert fake.call("forge", **completed, secret=None, age=3_600) == 400, "replayed"
        url = f"{cashier.harbor.url}/api/webhooks"
        assert httpx.post(f"{url}/stripe", content=b"{}").status_code == 400
        assert httpx.post(f"{url}/stripe", content=b"x" * (256 << 10)).status_code == 400
        assert httpx.post(f"{url}/stripe", content=b"x" * ((256 << 10) + 1)).status_code == 413
        assert httpx.post(f"{url}/nobody", content=b"{}").status_code == 404
        assert cashier.fetch("select count(*) from processor_event") == [(0,)]
        metrics = httpx.get(f"{cashier.harbor.url}/metrics").text
        assert 'tokenharbor_alarms_total{kind="webhook_forged",model="",provider="stripe"} 5.0' in metrics
        assert cashier.harbor.server is not None
        assert sum("webhook_forged" in line for line in cashier.harbor.server.lines) == 5
        assert fake.call("forge", **completed, secret=None) == 200, "signed rightly, and still only a hint"
        other = cashier.cli("accounts", "create", "--email", "thief@example.com")["id"]
        theirs = cashier.create("10", account=other)
        stolen = {**about, "metadata": {"top_up_id": theirs["id"]}, "client_reference_id": theirs["id"]}
        assert fake.call("forge", kind="checkout.session.completed", about=stolen, secret=None) == 200
        cashier.cli("topups", "sync", theirs["id"])
        cashier.check(0)
        cashier.pay(opened)
        cashier.wait_for(opened)
        assert cashier.cli("balance", other)["balance_usd"] == "0.000000000"
        cashier.check(1)


def test_without_a_webhooks_secret_every_event_is_refused_and_the_sweep_credits(database_url: str) -> None:
    with running_cashier("token-hub", "stripe", database_url, start=False) as cashier:
        cashier.harbor.env["STRIPE_WEBHOOK"] = ""
        cashier.start()
        assert cashier.processor is not None
        opened = cashier.create("10")
        about = {"id": "cs_1", "object": "checkout.session", "payment_status": "paid"}
        assert cashier.processor.call("forge", kind="checkout.session.completed", about=about, secret="") == 400
        assert cashier.fetch("select count(*) from processor_event") == [(0,)]
        cashier.pay(opened)
        cashier.wait_for(opened)
        cashier.check(1)


def test_an_amount_that_was_changed_at_the_processor_is_reviewed(database_url: str) -> None:
    with running_cashier("token-hub", "stripe", database_url) as cashier:
        assert cashier.processor is not None
        assert isinstance(cashier.processor.server, SimulatedStripe)
        opened = cashier.create("10")
        [(processor_id,)] = cashier.fetch("select processor_id from top_up")
        session = cashier.processor.server.objects[processor_id]
        session["amount_total"] = session["amount_subtotal"] = 100
        cashier.pay(opened)
        reviewed = cashier.wait_for(opened, "review")
        assert "1.00 USD" in reviewed["fault"]
        assert [each["id"] for each in cashier.cli("topups", "list", "--state", "review")] == [opened["id"]]
        cashier.check(0)


def test_hostile_deliveries_credit_once(database_url: str) -> None:
    """Each webhook several times, the newest first; answers lost or null; a processor that is down for a while."""
    with running_cashier("token-hub", "stripe", database_url) as cashier:
        assert cashier.processor is not None
        fake = cashier.processor
        url = f"{cashier.harbor.url}/api/webhooks/stripe"
        fake.call("webhooks", url=url, times=3, held=True)
        first = cashier.create("10")
        second = cashier.create("20")
        for kind in ("down", "lost", "null"):
            fake.call("fail", path="/v1/checkout/sessions/*", kind=kind, method="GET")
        cashier.pay(first)
        cashier.pay(second)
        fake.call("flush", backwards=True)
        for opened in (first, second):
            cashier.wait_for(opened, seconds=70)
        assert cashier.balance() == "30.000000000"
        cashier.check(2)


def test_without_a_processor_top_ups_are_pretended_and_say_so(database_url: str) -> None:
    with running_cashier("token-hub", "", database_url) as cashier:
        opened = cashier.create("10", "--save")
        assert (opened["pretended"], opened["processor"]) == (True, "pretended")
        paid = cashier.wait_for(opened)
        assert paid["pretended"]
        assert "pretended" in cashier.harbor.run("topups", "list").stdout.splitlines()[-1]
        cashier.cli("auto-topup", "set", cashier.account, "--below", "50", "--usd", "50", "--month", "100")
        [automatic, _] = _wait_for_two(cashier)
        assert (automatic["automatic"], automatic["pretended"]) == (True, True)
        assert cashier.cli("auto-topup", "off", cashier.account)["enabled"] is False
        names = {each["job"]: each for each in cashier.cli("jobs", "list")}
        assert names["auto_topup"]["runs"] > 0
        assert cashier.cli("jobs", "run", "processor_events") == {"job": "processor_events", "due": True}
        cashier.check(2)


def _wait_for_two(cashier: Cashier) -> list[dict[str, object]]:
    for _ in range(100):
        found: list[dict[str, object]] = cashier.cli("topups", "list", cashier.account, "--state", "paid")
        if len(found) == 2:
            return found
        cashier.cli("balance", cashier.account)  # a moment
    raise AssertionError(found)


def test_large_payments_by_hand_need_two_people(database_url: str) -> None:
    with running_cashier("token-hub", "stripe", database_url, start=False) as cashier:
        words = ("topups", "record", cashier.account, "--usd", "2500", "--reference", "bank 0001", "--by", "kim")
        waiting = cashier.cli(*words)
        assert waiting["state"] == "open"
        assert cashier.harbor.run(*words).returncode == 1, "its reference was used"
        assert cashier.harbor.run("topups", "confirm", waiting["id"], "--by", "kim").returncode == 1
        paid = cashier.cli("topups", "confirm", waiting["id"], "--by", "lee")
        assert (paid["state"], paid["confirmed_by"]) == ("paid", "lee")
        assert cashier.balance() == "2500.000000000"
        cashier.check(1)
