"""Which processors there are follows from what is configured, and no secret shows itself on the way."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tokenharbor.app.settings import Settings, load_settings
from tokenharbor.kernel.clock import SystemClock
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.payments.processor import Processor
from tokenharbor.payments.reading import instrument_hasher, sanitize_message
from tokenharbor.payments.registry import make_processors

FILE = """
[processors.stripe]
secret = "env:STRIPE_KEY"
webhook_secret = "file:hook"
methods = ["card", "alipay"]
currencies = ["USD", "CNY"]

[processors.paypal]
client_id = "env:PP_ID"
secret = "env:PP_SECRET"
base_url = "https://api-m.sandbox.paypal.com/"

[processors.manual]
enabled = true
"""


def settings_of(folder: Path, text: str, environ: Mapping[str, str]) -> Settings:
    (folder / "tokenharbor.toml").write_text(text)
    (folder / "hook").write_text("whsec_hidden\n")
    return load_settings(folder, None, environ)


def made(folder: Path, text: str, environ: Mapping[str, str]) -> Mapping[str, Processor]:
    settings = settings_of(folder, text, environ)
    return make_processors(settings.processors, settings.secret, SystemClock(), instrument_hasher(b"k"))


def test_each_processor_with_its_secrets_is_on(tmp_path: Path) -> None:
    processors = made(tmp_path, FILE, {"STRIPE_KEY": "sk_hidden", "PP_ID": "id", "PP_SECRET": "pp_hidden"})
    assert list(processors) == ["stripe", "paypal", "manual"]
    assert {name: processor.name for name, processor in processors.items()} == {name: name for name in processors}
    assert processors["stripe"].methods == dict.fromkeys(("card", "alipay"), frozenset({"USD", "CNY"}))
    shown = repr([vars(each) for each in processors.values()])
    assert "hidden" not in shown
    assert "https://api.stripe.com" in shown


def test_a_processor_without_its_secret_is_off(tmp_path: Path) -> None:
    assert list(made(tmp_path, FILE, {"PP_ID": "id"})) == ["manual"]
    assert made(tmp_path, "", {}) == {}


def test_a_variable_overrides_the_file(tmp_path: Path) -> None:
    environ = {
        "K": "sk_x",
        "TOKENHARBOR_PROCESSORS_STRIPE_SECRET": "env:K",
        "TOKENHARBOR_PROCESSORS_MANUAL_ENABLED": "true",
    }
    assert list(made(tmp_path, "", environ)) == ["stripe", "manual"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[processors.stripe]\nsecret = "sk_live_clear"', "secret is in clear text"),
        ('[processors.paypal]\nwebhook_id = "8PT5"', "webhook_id is in clear text"),
        ('[processors.stripe]\nsecrets = "env:X"', "did you mean 'secret'"),
        ('[processors.strip]\nsecret = "env:X"', "did you mean 'stripe'"),
        ('[processors.stripe]\nmethods = ["cards"]', "methods"),
        ('[processors.stripe]\ncurrencies = ["JPY"]', "currencies"),
        ('[processors.paypal]\nbase_url = "https://user:pw@example.com"', "base_url"),
        ("processors = 1", "processors"),
        ("[processors]\nstripe = 1", "expected a table"),
    ],
)
def test_what_is_wrong_is_named_and_no_value_is_shown(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        settings_of(tmp_path, text, {})
    assert named in str(raised.value)
    for value in ("sk_live_clear", "8PT5", "user:pw"):
        assert value not in str(raised.value)


def test_words_for_people_show_neither_keys_nor_addresses() -> None:
    said = "Invalid API Key: sk_live_abc123\nfor somebody@example.com, Bearer abc.def"
    assert sanitize_message(said, "") == "Invalid API Key: … for …, …"
    assert sanitize_message(" \n", "refused") == "refused"
    assert len(sanitize_message("x" * 1000, "")) == 300
