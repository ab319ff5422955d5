"""Other media than text on the real server: the demo has each, and a video outlives the gateway that took it."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from tests.e2e.harbor import CONFIG, Harbor, make_harbor, start_simulator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),  # one vendor's; others keep the convention
]

CAMERA = """
[models.camera]
surfaces = ["videos"]

[[models.camera.endpoints]]
provider = "simone"
price = {{ second = "0.10" }}
"""


@pytest.fixture
def harbor(tmp_path: Path) -> Iterator[Harbor]:
    tmp_path.chmod(0o755)
    with contextlib.ExitStack() as stack:
        simulator, url = start_simulator("", tmp_path)
        stack.callback(simulator.stop)
        harbor = make_harbor(tmp_path, url, CONFIG + CAMERA)
        stack.callback(harbor.stop)
        yield harbor


def client(harbor: Harbor) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{harbor.url}/v1", api_key=harbor.key, max_retries=0)


def test_a_newcomer_can_try_each_medium_without_a_vendors_key(harbor: Harbor) -> None:
    with client(harbor) as ask:
        assert ask.embeddings.create(model="demo-embedding", input="ahoy").data[0].embedding
        assert ask.images.generate(model="demo-image", prompt="ahoy").data
        assert ask.images.edit(model="demo-image", image=("a.png", b"x"), prompt="ahoy").data
        sound = ask.audio.speech.create(model="demo-speech", voice="alloy", input="ahoy").content
        assert sound.startswith(b"RIFF")
        assert ask.audio.transcriptions.create(model="demo-transcribe", file=("a.wav", sound)).text
        ranked = {"model": "demo-rerank", "query": "ahoy", "documents": ["a", "b"]}
        assert ask.post("/rerank", body=ranked, cast_to=object)
        assert ask.videos.create(model="demo-video", prompt="ahoy").status == "queued"
    paid = 100 - 0.4 - 0.00000002 - 0.04 - 0.04 - 0.00006 - 0.0002 - 0.002
    assert float(harbor.cli("balance", harbor.account)["balance_usd"]) == pytest.approx(paid, abs=1e-9)


def test_a_video_is_billed_once_whatever_gateway_lives_when_it_is_done(harbor: Harbor) -> None:
    with client(harbor) as ask:
        video = ask.videos.create(model="camera", prompt="a harbour", seconds="8")
    harbor.stop(signal.SIGKILL)
    harbor.start()
    assert harbor.cli("balance", harbor.account)["held_usd"] == "0.800000000"
    with client(harbor) as ask:
        for _ in range(3):
            video = ask.videos.retrieve(video.id)
        assert video.status == "completed"
        assert ask.videos.download_content(video.id).read()
    balance = harbor.cli("balance", harbor.account)
    assert (balance["balance_usd"], balance["held_usd"]) == ("99.200000000", "0.000000000")
    assert harbor.cli("ledger", "verify")["ok"]
