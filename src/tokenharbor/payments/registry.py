"""The table of processors: the settings of each, and how it is built from them."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec

from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.money import CURRENCIES
from tokenharbor.payments.manual import ManualProcessor
from tokenharbor.payments.paypal import PayPalConfig, PayPalProcessor
from tokenharbor.payments.processor import Processor
from tokenharbor.payments.reading import HashInstrument
from tokenharbor.payments.stripe import StripeConfig, StripeProcessor

TimeoutSeconds = Annotated[int, msgspec.Meta(ge=1, le=120)]
BaseUrl = Annotated[str, msgspec.Meta(pattern=r"^https?://[^/\s?#@]+/?$")]
MethodName = Annotated[str, msgspec.Meta(pattern=r"^(card|alipay|wechat_pay)$")]
CurrencyName = Annotated[str, msgspec.Meta(pattern=rf"^({'|'.join(CURRENCIES)})$")]


class StripeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[processors.stripe]`. `secret` and `webhook_secret` are references. Without `secret`, Stripe is off."""

    secret: str | None = None
    webhook_secret: str | None = None
    methods: tuple[MethodName, ...] = ("card",)
    currencies: tuple[CurrencyName, ...] = ("USD",)
    automatic_tax: bool = False
    base_url: BaseUrl = "https://api.stripe.com"
    timeout_seconds: TimeoutSeconds = 30


class PayPalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[processors.paypal]`. `client_id`, `secret`, `webhook_id` are references. Without the first two, PayPal is
    off.
    """

    client_id: str | None = None
    secret: str | None = None
    webhook_id: str | None = None
    currencies: tuple[CurrencyName, ...] = ("USD",)
    base_url: BaseUrl = "https://api-m.paypal.com"
    timeout_seconds: TimeoutSeconds = 30


class ManualSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[processors.manual]`."""

    enabled: bool = False


class PretendedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[processors.pretended]`. It is also used if no processor is configured and no provider charges us."""

    enabled: bool = False


PROCESSOR_SETTINGS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "stripe": StripeSettings,
    "paypal": PayPalSettings,
    "manual": ManualSettings,
    "pretended": PretendedSettings,
}
REFERENCES: Final = (
    ("stripe", "secret"),
    ("stripe", "webhook_secret"),
    ("paypal", "client_id"),
    ("paypal", "secret"),
    ("paypal", "webhook_id"),
)
"""Settings that say where a secret is; they never hold the secret."""

ResolveSecret = Callable[[str | None], str | None]
"""Returns the secret that a reference points to, None if there is none."""


def make_processors(
    settings: Mapping[str, Any], resolve: ResolveSecret, clock: Clock, hash_instrument: HashInstrument
) -> Mapping[str, Processor]:
    """Return the configured processors by name. Raises Misconfigured if a secret's file cannot be read."""
    made: dict[str, Processor] = {}
    stripe, paypal, manual = settings["stripe"], settings["paypal"], settings["manual"]
    if secret := resolve(stripe.secret):
        made["stripe"] = StripeProcessor(_stripe_config(stripe, secret, resolve), clock, hash_instrument)
    if (client_id := resolve(paypal.client_id)) and (secret := resolve(paypal.secret)):
        config = PayPalConfig(
            client_id=client_id,
            secret=secret,
            webhook_id=resolve(paypal.webhook_id) or "",
            base_url=paypal.base_url.rstrip("/"),
            methods={"paypal": frozenset(paypal.currencies)},
            timeout_seconds=paypal.timeout_seconds,
        )
        made["paypal"] = PayPalProcessor(config, clock, hash_instrument)
    if manual.enabled:
        made["manual"] = ManualProcessor()
    return made


def _stripe_config(settings: StripeSettings, secret: str, resolve: ResolveSecret) -> StripeConfig:
    return StripeConfig(
        secret=secret,
        webhook_secret=resolve(settings.webhook_secret) or "",
        base_url=settings.base_url.rstrip("/"),
        methods={method: frozenset(settings.currencies) for method in settings.methods},
        timeout_seconds=settings.timeout_seconds,
        automatic_tax=settings.automatic_tax,
    )
