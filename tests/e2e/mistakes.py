"""Mistakes in the operator's file and catalogue, each with what is said of it."""

from collections.abc import Mapping

SECRET = "sekretQuokkaVellichor0123456789"


DEEP = "[" * 5_000 + "]" * 5_000


# ---- the file

IN_THE_FILE: Mapping[str, tuple[str, str]] = {
    "no TOML": ("[server\nport = 1", "tokenharbor.toml: not TOML: "),
    "twice": ("[server]\nport = 1\nport = 2", "tokenharbor.toml: not TOML: "),
    "too deep": (f"x = {DEEP}", "tokenharbor.toml: "),
    "too long a number": (f"[server]\nport = {'9' * 5_000}", "tokenharbor.toml: "),
    "a section": ("[sever]\nport = 1", "unknown field 'sever'; did you mean 'server'?"),
    "a field": ("[server]\nprot = 1", "[server]: unknown field 'prot'; did you mean 'port'?"),
    "a type": ("[server]\nport = '8080'", "[server]: port: expected an integer"),
    "a range": ("[server]\nmax_body = -1", "[server]: max_body: "),
    "an edition": ("edition = 'token-habor'", "edition 'token-habor'; did you mean 'token-harbor'?"),
    "an edition's file": ("edition = './mine.toml'", "mine.toml: cannot be read: No such file"),
    "an edition that can be no file": ('edition = "./a\\u0000.toml"', "edition "),
    "a folder for an edition": ("edition = './'", "cannot be read: Is a directory"),
    "a proxy": ("[server]\ntrusted_proxies = ['10.0.0.300']", "server.trusted_proxies: '10.0.0.300'"),
    "a secret in clear": (f"[server]\nsecret = '{SECRET}'", "[server]: secret is in clear text"),
    "a token in clear": (f"[server]\nmetrics_token = '{SECRET}'", "[server]: metrics_token is in clear text"),
    "a password in clear": (f"[database]\nurl = 'postgresql://u:{SECRET}@h/d'", "[database]: url contains a password"),
    "a secret that is not set": ("[server]\nsecret = 'env:NOWHERE'", "server.secret: env:NOWHERE is not set"),
    "a secret that is not there": ("[server]\nsecret = 'file:/nowhere/key'", "secret /nowhere/key: No such file"),
    "a secret that can be no file": ('[server]\nsecret = "file:\\u0000"', "server]: secret"),
    "a database's scheme": ("[database]\nurl = 'mysql://h/d'", "[database]: url must begin with postgresql://"),
    "a database that is not set": ("[database]\nurl = 'env:NOWHERE'", "[database]: url: env:NOWHERE is not set"),
    "a folder for a token": ("[server]\nmetrics_token = 'file:/'", "secret /: Is a directory"),
}


PROVIDER = '[providers.mine]\nwire = "openai_chat"\nbase_url = "http://127.0.0.1:1/v1"\ncredential = "env:KEY"\n'


MODEL = '[models.novel]\ncontext = 1000\nmax_output = 100\n[[models.novel.endpoints]]\nprovider = "mine"\n'


PRICE = 'price = { input = "1", output = "2" }\n'


IN_THE_CATALOGUE: Mapping[str, tuple[str, str]] = {
    "a field": (PROVIDER + "timeout = 5", "mine\"]: unknown field 'timeout'; did you mean 'timeouts'?"),
    "a wire": (PROVIDER.replace("_chat", "_chats"), "unknown wire 'openai_chats'; did you mean 'openai_chat'?"),
    "an address": (PROVIDER.replace("http:", "htp:"), 'mine"]: base_url must be http://'),
    "a port": (PROVIDER.replace(":1/", ":99999/"), 'mine"]: base_url must be http://'),
    "a host that is none": (PROVIDER.replace("127.0.0.1:1", "[::1"), 'mine"]: base_url must be http://'),
    "a credential in clear": (PROVIDER.replace("env:KEY", SECRET), 'mine"]: credential must be'),
    "a credential that is not there": (PROVIDER.replace("env:KEY", "file:/nowhere") + MODEL + PRICE, "/nowhere: "),
    "a credential that can be no file": (
        PROVIDER.replace("env:KEY", "file:a\\u0000b") + MODEL + PRICE,
        'mine"]: credential',
    ),
    "a header": (PROVIDER + 'headers = { x = "a\\r\\nb: c" }', "mine\"]: header 'x' "),
    "a provider": (PROVIDER + MODEL.replace('"mine"', '"main"') + PRICE, "unknown provider; did you mean"),
    "a number for a price": (PROVIDER + MODEL + "price = { input = 1.0 }", "price: input must be a decimal string"),
    "a price below zero": (PROVIDER + MODEL + PRICE.replace('"1"', '"-1"'), "price input: "),
    "a price beyond all": (PROVIDER + MODEL + PRICE.replace('"1"', '"1e99"'), "price input: "),
    "a price of no number": (PROVIDER + MODEL + PRICE.replace('"1"', '"NaN"'), "price input: "),
    "a name": (PROVIDER + MODEL.replace("novel", '"no\\r\\nvel"') + PRICE, "letters, digits and any of"),
    "a letter": (PROVIDER + MODEL.replace("novel", '"n\u00f6vel"') + PRICE, "letters, digits and any of"),
    "a model's size": (PROVIDER + MODEL.replace("1000", "0") + PRICE, "context: expected an integer >= 1"),
    "an alias": (
        PROVIDER + MODEL.replace("100\n", '100\naliases = ["gpt-4.1"]\n') + PRICE,
        "alias 'gpt-4.1' ",
    ),
    "a time": (PROVIDER + "timeouts = { total = -1 }", "timeouts: total: expected a float > 0"),
    "for ever": (PROVIDER + "timeouts = { total = inf }", "timeouts: total: "),
}
