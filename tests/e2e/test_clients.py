"""Real clients work through the gateway, whatever dialect the vendor behind it speaks, and stop when money ends."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.clients.agents import CLAUDE_CODE, CODEX, GEMINI_CLI, OPENCODE, Client
from tests.e2e.clients.pairs import PAIRS
from tests.e2e.clients.place import Place
from tests.e2e.clients.toolbox import ToolboxError
from tests.e2e.clients.trial import commands_of, try_client
from tests.e2e.clients.upstreams import House, open_house
from tests.e2e.counting_proxy import CountingProxy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def harbour() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="th-e2e-") as name, open_house(Path(name)) as house:
        yield house


def _commands(client: Client) -> Path:
    """What cannot be installed is a failure of one line, never a skip."""
    try:
        return commands_of(client)
    except ToolboxError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.mark.parametrize(("client", "upstream"), PAIRS, ids=str)
def test_it_mends_a_repository(client: Client, upstream: str, harbour: House, tmp_path: Path) -> None:
    _commands(client)
    outcome = try_client(harbour, client, upstream, tmp_path)
    assert not outcome.faults, outcome


@pytest.mark.parametrize(
    ("client", "most", "says"),
    [
        (CLAUDE_CODE, 1, "balance"),
        (CODEX, 1, "quota exceeded"),
        (OPENCODE["openai_chat"], 2, "balance"),  # one for the title
        (GEMINI_CLI, 1, "balance"),
    ],
    ids=str,
)
def test_it_stops_when_the_wallet_is_empty(
    client: Client, most: int, says: str, harbour: House, tmp_path: Path
) -> None:
    key = harbour.new_poor_key(f"{client.name}-{client.dialect}@example.com".replace(" ", "-"))
    with CountingProxy(harbour.harbor.url) as counting:
        place = Place(counting.url, key, _commands(client), tmp_path)
        ended = client.run(place, "Say hello.")
    assert 1 <= len(counting.refused) <= most, f"{counting.refused}\n{ended}"
    assert says in (ended.stdout + ended.stderr).lower(), ended


def test_codex_says_why_an_answer_broke_off(harbour: House, tmp_path: Path) -> None:
    """It passes over the `error` event, so that it would only say that the stream was cut."""
    fault = {"kind": "break", "after_content": 3}
    harbour.tell({"answer": {"text": "Fair winds and following seas. " * 9}, "rules": [{"fault": fault}]})
    place = Place(harbour.harbor.url, harbour.key("openai_responses"), _commands(CODEX), tmp_path)
    ended = CODEX.run(place, "Say hello.")
    assert "Nothing was billed" in ended.stdout, ended
