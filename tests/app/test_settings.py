"""Settings: the file, overrides by the environment, and error messages of one line without values."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tokenharbor.app.database_urls import database_url
from tokenharbor.app.settings import Settings, load_settings, resolve_secret
from tokenharbor.editions.load import load_edition
from tokenharbor.kernel.errors import Misconfigured


def load(home: Path, text: str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    if text is not None:
        (home / "tokenharbor.toml").write_text(text)
    return load_settings(home, None, environ or {})


def test_without_a_file_all_is_as_the_contract_says(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert (found.server.host, found.server.port, found.server.workers) == ("127.0.0.1", 8080, 1)
    assert (found.server.drain_seconds, found.server.trusted_proxies) == (30, ())
    assert (found.server.max_body, found.server.max_buffered) == (32 << 20, 512 << 20)
    assert (found.edition, found.catalog) == ("token-harbor", {"providers": {}, "models": {}})
    assert database_url(found) is None


def test_the_file_is_read_and_the_environment_comes_before_it(tmp_path: Path) -> None:
    text = """
        edition = "relay"
        [server]
        port = 1234
        host = "::1"
        drain_seconds = 5
        trusted_proxies = ["10.0.0.0/8"]
        [providers.acme]
        wire = "openai_chat"
    """
    environ = {
        "TOKENHARBOR_SERVER_PORT": "4321",
        "TOKENHARBOR_SERVER_DRAIN_SECONDS": "1.5",
        "TOKENHARBOR_SERVER_TRUSTED_PROXIES": "192.0.2.1, 198.51.100.0/24",
        "TOKENHARBOR_EDITION": "tokenhub",
        "TOKENHARBOR_DATABASE_URL": "postgresql://u:p@127.0.0.1/x",
        "UNRELATED": "x",
    }
    found = load(tmp_path, text, environ)
    assert (found.server.host, found.server.port, found.server.drain_seconds) == ("::1", 4321, 1.5)
    assert found.server.trusted_proxies == ("192.0.2.1", "198.51.100.0/24")
    assert found.edition == "tokenhub"
    assert database_url(found) == "postgresql://u:p@127.0.0.1/x"
    assert found.catalog["providers"] == {"acme": {"wire": "openai_chat"}}


SHOP = """
[providers."acme-2"]
wire = "openai_chat"
timeouts = { connect = 5, total = 60 }
[models."deep.v3"]
context = 100
"""


@pytest.mark.parametrize(
    ("variable", "value", "kind", "name", "stated"),
    [
        ("PROVIDERS_ACME_2_BASE_URL", "http://h/v1", "providers", "acme-2", {"base_url": "http://h/v1"}),
        ("PROVIDERS_ACME_2_CREDENTIAL", "file:key", "providers", "acme-2", {"credential": "file:key"}),
        ("PROVIDERS_ACME_2_TIMEOUTS_TOTAL", "1.5", "providers", "acme-2", {"timeouts": {"connect": 5, "total": 1.5}}),
        ("PROVIDERS_OPENAI_REGION", "eu", "providers", "openai", {"region": "eu"}),
        ("MODELS_DEEP_V3_CONTEXT", "200", "models", "deep.v3", {"context": 200}),
        ("MODELS_GPT_4_1_CAPABILITIES", "tools, vision", "models", "gpt-4.1", {"capabilities": ["tools", "vision"]}),
    ],
)
def test_a_variable_lies_over_a_provider_or_a_model(
    tmp_path: Path, variable: str, value: str, kind: str, name: str, stated: Mapping[str, object]
) -> None:
    found = load(tmp_path, SHOP, {f"TOKENHARBOR_{variable}": value}).catalog
    without = load(tmp_path, SHOP).catalog
    assert found[kind] == without[kind] | {name: without[kind].get(name, {}) | stated}
    assert load(tmp_path, SHOP, {f"TOKENHARBOR_{variable}": ""}).catalog == without


def test_a_variable_may_hold_a_providers_key_itself(tmp_path: Path) -> None:
    variable = "TOKENHARBOR_PROVIDERS_ACME_2_CREDENTIAL"
    found = load(tmp_path, SHOP, {variable: "sk-in-clear"})
    reference = found.catalog["providers"]["acme-2"]["credential"]
    assert reference == f"env:{variable}"
    assert found.secret(reference) == "sk-in-clear"


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("TOKENHARBOR_PROVIDERS_ACME_2_BASE_URI", "'TOKENHARBOR_PROVIDERS_ACME_2_BASE_URL'"),
        ("TOKENHARBOR_MODELS_DEEP_V3_ENDPOINTS", "TOKENHARBOR_MODELS_DEEP_V3_"),
        ("TOKENHARBOR_PROVIDERS_" + "Z" * 80, "it names no field of a provider or model here"),
    ],
)
def test_a_variable_over_nothing_is_a_mistake_that_names_the_nearest(tmp_path: Path, variable: str, hint: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(tmp_path, SHOP, {variable: "x"})
    assert variable in str(caught.value)
    assert hint in str(caught.value)


def test_home_and_file_come_from_the_command_then_the_environment(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("[server]\nport = 7\n")
    environ = {"TOKENHARBOR_HOME": str(tmp_path / "h"), "TOKENHARBOR_CONFIG": str(other)}
    found = load_settings(None, None, environ)
    assert (found.home, found.file, found.server.port) == (tmp_path / "h", other, 7)
    assert load_settings(tmp_path, None, environ).home == tmp_path
    usual = Path("/var/lib/tokenharbor") if os.geteuid() == 0 else Path.home() / ".local/share/tokenharbor"
    assert load_settings(None, None, {}).home == usual


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"nowhere\.toml"):
        load_settings(tmp_path, tmp_path / "nowhere.toml", {})


MISTAKES = [
    ("[server]\nprot = 1", "unknown field 'prot'; did you mean 'port'?"),
    ("[sever]\nport = 1", "unknown field 'sever'; did you mean 'server'?"),
    ("editions = 'x'", "unknown field 'editions'; did you mean 'edition'?"),
    ("edition = 5", "edition: expected a string"),
    ("server = 5", "server: "),
    ("[server]\nport = '8080'", "[server]: port: expected an integer"),
    ("[server]\nport = 8080.5", "[server]: port: expected an integer"),
    ("[server]\nport = true", "[server]: port: expected an integer"),
    ("[server]\nport = 65536", "[server]: port: "),
    ("[server]\nport = -1", "[server]: port: "),
    ("[server]\nport = 99999999999999999999999", "[server]: port: "),
    ("[server]\nmax_body = 0", "[server]: max_body: "),
    ("[server]\nworkers = 0", "[server]: workers: "),
    ("[server]\nworkers = 65", "[server]: workers: "),
    ("[server]\nworkers = 'some'", "[server]: workers: "),
    ("[server]\ndrain_seconds = -1", "[server]: drain_seconds: "),
    ("[server]\ndrain_seconds = nan", "[server]: drain_seconds: "),
    ("[server]\ntrusted_proxies = '10.0.0.1'", "[server]: trusted_proxies: "),
    ("[server]\ntrusted_proxies = ['somewhere']", "server.trusted_proxies: 'somewhere'"),
    ("[server]\ntrusted_proxies = ['10.0.0.1/8']", "server.trusted_proxies: 10.0.0.1/8"),
    ("[[server]]\nport = 1", "server: "),
    ("[database]\nurl = 5", "[database]: url: expected a string"),
    ("port = ", "not TOML"),
    ("[server\nport = 1", "not TOML"),
    ("[server]\nport = 1\nport = 2", "not TOML"),
    ("providers = []", "providers: "),
]


@pytest.mark.parametrize(("text", "complaint"), MISTAKES)
def test_a_mistake_is_one_line_that_says_what_and_where(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(tmp_path, text)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "tokenharbor.toml" in str(caught.value) or "server.trusted_proxies" in str(caught.value)


def test_a_file_that_is_not_text_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "tokenharbor.toml").write_bytes(b"edition = '\xff'")
    with pytest.raises(Misconfigured, match=r"tokenharbor\.toml: not UTF-8"):
        load(tmp_path)
    (tmp_path / "tokenharbor.toml").unlink()
    (tmp_path / "tokenharbor.toml").mkdir()
    with pytest.raises(Misconfigured, match=r"tokenharbor\.toml: cannot be read: Is a directory"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        (
            "TOKENHARBOR_SERVER_PROT",
            "1",
            "unknown variable 'TOKENHARBOR_SERVER_PROT'; did you mean 'TOKENHARBOR_SERVER_P",
        ),
        ("TOKENHARBOR_SERVER_PORT", "http", "TOKENHARBOR_SERVER_PORT: port: expected an integer"),
        ("TOKENHARBOR_SERVER_PORT", "70000", "TOKENHARBOR_SERVER_PORT: port: "),
        ("TOKENHARBOR_SERVER_PORT", "٣", "TOKENHARBOR_SERVER_PORT: port: "),
        ("TOKENHARBOR_SERVER_DRAIN_SECONDS", "soon", "TOKENHARBOR_SERVER_DRAIN_SECONDS: drain_seconds: "),
        ("TOKENHARBOR_SERVER_WORKERS", "all", "TOKENHARBOR_SERVER_WORKERS: workers: "),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path, name: str, value: str, complaint: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(tmp_path, None, {name: value})
    assert complaint in str(caught.value)


def test_workers_are_a_number_or_one_for_each_core(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    for stated, in_toml, count in (("3", "3", 3), ("auto", '"auto"', cores)):
        of_file = load(tmp_path, f"[server]\nworkers = {in_toml}\n")
        of_environment = load(tmp_path, None, {"TOKENHARBOR_SERVER_WORKERS": stated})
        assert of_file.server.worker_count == of_environment.server.worker_count == count, stated


def test_variables_that_the_operator_refers_to_may_be_called_anything(tmp_path: Path) -> None:
    text = '[providers.acme]\ncredential = "env:TOKENHARBOR_ACME"\n[server]\nsecret = "env:TOKENHARBOR_ROOT"\n'
    environ = {
        "TOKENHARBOR_ACME": "k",
        "TOKENHARBOR_ROOT": "r" * 40,
        "TOKENHARBOR_SERVER_METRICS_TOKEN": "env:TOKENHARBOR_TOKEN",
        "TOKENHARBOR_TOKEN": "t",
    }
    found = load(tmp_path, text, environ)
    assert found.secret(found.server.secret) == "r" * 40
    assert found.secret(found.server.metrics_token) == "t"


def test_variables_that_callers_use_are_no_settings(tmp_path: Path) -> None:
    assert load(tmp_path, None, {"TOKENHARBOR_KEY": "thk_live_x", "TOKENHARBOR_API_KEY": "x"}).server.port == 8080


SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f'[server]\nsecret = "{SECRET}"',
        f'[server]\nmetrics_token = "{SECRET}"',
        f'[database]\nurl = "postgresql://u:{SECRET}@db/x"',
        f'[database]\nurl = "postgresql://db/x?user=u&password={SECRET}"',
    ],
)
def test_a_secret_in_clear_is_refused_with_a_hint_and_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(Misconfigured, match="env:NAME or file:PATH") as caught:
        load(tmp_path, text)
    assert SECRET not in str(caught.value)


def test_a_secret_in_clear_is_refused_from_the_environment_too(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"\[server\]: secret") as caught:
        load(tmp_path, None, {"TOKENHARBOR_SERVER_SECRET": SECRET})
    assert SECRET not in str(caught.value)


def test_settings_do_not_show_the_environment(tmp_path: Path) -> None:
    assert SECRET not in repr(load(tmp_path, None, {"SOME_KEY": SECRET}))


def test_references_are_resolved(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("  of-the-file\n")
    environ = {"NAME": " of-the-environment ", "EMPTY": ""}
    assert resolve_secret("env:NAME", environ) == "of-the-environment"
    assert resolve_secret("env:EMPTY", environ) is None
    assert resolve_secret("env:NONE", environ) is None
    assert resolve_secret(f"file:{tmp_path / 'key'}", environ) == "of-the-file"
    assert resolve_secret("file:key", environ, tmp_path) == "of-the-file"
    with pytest.raises(Misconfigured, match="nothere"):
        resolve_secret("file:nothere", environ, tmp_path)
    with pytest.raises(Misconfigured, match="by reference"):
        resolve_secret("sk-clear", environ)


def test_a_database_url_may_be_a_reference(tmp_path: Path) -> None:
    text = '[database]\nurl = "env:DB"\n'
    assert database_url(load(tmp_path, text, {"DB": "postgresql://u:p@db/x"})) == "postgresql://u:p@db/x"
    with pytest.raises(Misconfigured, match=r"\[database\]: url: env:DB is not set"):
        database_url(load(tmp_path, text, {}))
    with pytest.raises(Misconfigured, match="postgresql://"):
        database_url(load(tmp_path, text, {"DB": "mysql://u:p@db/x"}))


def test_an_edition_of_ones_own_lies_beside_the_file_that_names_it(tmp_path: Path) -> None:
    assert load(tmp_path, 'edition = "mine.toml"').edition == str(tmp_path / "mine.toml")
    assert load(tmp_path, 'edition = "/etc/mine.toml"').edition == "/etc/mine.toml"
    assert load(tmp_path, 'edition = "relay"').edition == "relay"


def test_C11_every_fault_of_the_settings_is_named_in_one_line(tmp_path: Path) -> None:
    text = f"""
        editon = "relay"
        [server]
        prot = 1
        max_body = 0
        drain_seconds = "long"
        secret = "{SECRET}"
        trusted_proxies = ["nowhere", "10.0.0.300", "127.0.0.1"]
        [database]
        url = "postgresql://u:{SECRET}@db/x"
        [redis]
        host = "x"
    """
    environ = {
        "TOKENHARBOR_SERVER_PORT": "http",
        "TOKENHARBOR_SERVER_HOTS": "x",
        "TOKENHARBOR_PROVIDERS_NOBODY_X": "y",
        "TOKENHARBOR_MODELS_NOTHING_Y": "z",
    }
    with pytest.raises(Misconfigured) as caught:
        load(tmp_path, text, environ)
    found = caught.value.faults
    wanted = (
        "'editon'", "'prot'", "max_body: ", "drain_seconds: ", "[server]: secret", "'nowhere'", "'10.0.0.300'",
        "[database]: url", "[redis]: unknown field 'host'", "TOKENHARBOR_SERVER_PORT: port", "SERVER_HOTS'",
        "PROVIDERS_NOBODY_X'", "MODELS_NOTHING_Y'",
    )  # fmt: skip
    for fault in wanted:
        assert any(fault in each for each in found), (fault, found)
    assert len(found) == len(wanted), found
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_C11_a_file_of_which_nothing_can_be_read_is_one_fault(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(tmp_path, "server = 5\nedition = 6")
    assert len(caught.value.faults) == 2


def test_C11_an_edition_with_several_faults_names_each(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[price]\nservice_fee_bp = 'x'\nmarkup = 5\n[failover]\n")
    with pytest.raises(Misconfigured) as caught:
        load_edition(str(tmp_path / "mine.toml"))
    said = str(caught.value)
    assert all(
        field in said
        for field in ("service_fee_bp: ", "'markup'", "missing required field max_providers", "missing section [cap]")
    )
