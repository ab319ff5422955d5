"""The payment page of a simulated processor, which says that the money is pretended."""

import re
from html import escape
from typing import Final
from urllib.parse import parse_qs

_PAYER: Final = "payer1"

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f4f6f8;color:#16202a}"
    "main{max-width:26rem;margin:12vh auto;background:#fff;padding:2rem;border-radius:12px;box-shadow:0 2px 14px #0002}"
    "h1{font-size:1.15rem;margin:0 0 .5rem}.sum{font-size:2rem;margin:.5rem 0}"
    ".note{background:#fff4d6;border-radius:8px;padding:.6rem .8rem;font-size:.9rem}"
    "button{font:inherit;width:100%;padding:.7rem;margin-top:.7rem;border-radius:8px;border:1px solid #c4ced8;"
    "background:#fff;cursor:pointer}input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;margin-top:.3rem}"
    "label{display:block;margin-top:1rem;font-size:.9rem}button.go{background:#0a6882;border-color:#0a6882;color:#fff}"
)


def pay_page(processor: str, description: str, amount: str, action: str) -> str:
    """Return a page with three buttons; each posts its `outcome` and the payer's name to `action`."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Pretended payment</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(processor)}, simulated</h1>"
        f'<p>{escape(description)}</p><p class="sum">{escape(amount)}</p>'
        '<p class="note">Pretended money: nobody is charged. This page stands in for the processor.</p>'
        f'<form method="post" action="{escape(action)}">'
        f'<label>Payer<input name="payer" value="{_PAYER}" autocomplete="off"></label>'
        '<button class="go" name="outcome" value="paid">Pay</button>'
        '<button name="outcome" value="declined">Decline the payment</button>'
        '<button name="outcome" value="cancel">Cancel and go back</button></form></main></body></html>'
    )


def read_decision(body: bytes) -> tuple[str, str]:
    """Return the outcome and the payer from the page's form."""
    form = parse_qs(body.decode())
    payer = re.sub(r"\W", "", form.get("payer", [""])[0], flags=re.ASCII)
    return form.get("outcome", ["cancel"])[0], payer or _PAYER
