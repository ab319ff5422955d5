"""Real coding agents on the name of many models: each stage of a session reaches its pool, and its executor stays."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.clients import repository
from tests.e2e.clients.capture import commit_repository
from tests.e2e.clients.place import Place
from tests.e2e.clients.sessions import AgentSession, claude_code, claude_code_script, opencode, opencode_script
from tests.e2e.clients.toolbox import CORE, ToolboxError, install
from tests.e2e.clients.upstreams import call
from tests.e2e.harbor import Harbor, make_harbor, start_simulator

pytestmark = pytest.mark.slow

NAME = "th-orchestra"
CONFIG = """
[providers.anthropic]
base_url = "{url}/v1"
credential = "env:SIM_KEY"

[providers.openai]
base_url = "{url}/v1"
credential = "env:SIM_KEY"
"""
"""The edition's own pools; their vendors are played by the simulator."""


@pytest.fixture(scope="module")
def harbor() -> Iterator[Harbor]:
    with tempfile.TemporaryDirectory(prefix="th-e2e-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        simulator, url = start_simulator("", folder)
        try:
            harbor = make_harbor(folder, url, CONFIG)
            yield harbor
            harbor.stop()
        finally:
            simulator.stop()


@dataclass
class Told:
    """The receipts of one account, those that are new each time."""

    harbor: Harbor
    key: str
    known: set[str] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)

    def after(self, step: Callable[[], None]) -> list[tuple[str, str]]:
        """The stage and model of each request of a step, in order."""
        step()
        listed = call(self.harbor.url, "GET", "/v1/requests?limit=1000", key=self.key)["data"]
        new = [each["id"] for each in reversed(listed) if each["id"] not in self.known]
        self.known.update(new)
        receipts = [call(self.harbor.url, "GET", f"/v1/requests/{each}", key=self.key) for each in new]
        assert all(each["status"] == "complete" for each in receipts), receipts
        self.sessions.update(each["session"] for each in receipts)
        return [(each["stage"], each["model"]) for each in receipts]


@pytest.mark.parametrize(
    ("agent", "script"),
    [(claude_code, claude_code_script), (opencode, opencode_script)],
    ids=["Claude Code", "opencode"],
)
def test_th_o3_a_session_of_a_coding_agent_reaches_the_pool_of_each_stage(
    agent: Callable[[Place], AbstractContextManager[AgentSession]],
    script: Callable[[Place], dict[str, Any]],
    harbor: Harbor,
    tmp_path: Path,
) -> None:
    place = Place(harbor.url, harbor.new_key(harbor.account), _commands(), tmp_path, NAME, seconds=180).prepare()
    commit_repository(place.work)
    call(harbor.simulator, "POST", "/simulator/script", script(place))
    first = {stage: (stage, models[0]) for stage, models in _pools(harbor).items()}
    told = Told(harbor, place.key, {each["id"] for each in _requests(harbor, place.key)})
    with agent(place) as session:
        worked = [each for each in told.after(session.plan) if each != first["summarise"]]  # a title comes beside it
        worked += told.after(session.build)
        begins = worked.index(first["code"])
        assert worked == [first["plan"]] * begins + [first["code"]] * (len(worked) - begins), worked
        assert begins >= 2, "it looked while it planned"
        assert len(worked) - begins >= 3, "it edited and ran in one loop"
        reviewed = told.after(session.review)
        assert reviewed[:2] == [first["review"]] * 2, reviewed
        assert set(reviewed[2:]) <= {first["code"]}, reviewed  # the session goes on with what its reviewer found
        assert set(told.after(session.go_on)) == {first["code"]}
        assert set(told.after(session.compact)) == {first["summarise"]}
        assert set(told.after(session.go_on)) == {first["code"]}, "compaction moved the session"
    assert len(told.sessions) == 1, told.sessions
    assert repository.fault(place.work) is None


def _commands() -> Path:
    """What cannot be installed is a failure of one line, never a skip."""
    try:
        return install(CORE)
    except ToolboxError as error:
        pytest.fail(str(error), pytrace=False)


def _pools(harbor: Harbor) -> dict[str, list[str]]:
    listed = call(harbor.url, "GET", "/v1/models", key=harbor.key)["data"]
    pools: dict[str, list[str]] = next(each["pools"] for each in listed if each["id"] == NAME)
    return pools


def _requests(harbor: Harbor, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call(harbor.url, "GET", "/v1/requests?limit=1000", key=key)["data"]
    return found
