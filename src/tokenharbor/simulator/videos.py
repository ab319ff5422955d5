"""Simulated videos: taken at once, in progress when first asked after, then completed, or failed if told so."""

import re
from typing import Any

import msgspec

from tokenharbor.http.exchange import Exchange
from tokenharbor.simulator.speech import Piece, Reply
from tokenharbor.simulator.surfaces import Form

_JSON = b"content-type: application/json\r\nx-simulated: true\r\n"
_CLIP = b"content-type: video/mp4\r\nx-simulated: true\r\n"
_PATH = re.compile(r"/videos/(sim-[^/]+)(/content)?$")
_KEPT = 1_000


class Clip(msgspec.Struct):
    """One video."""

    said: dict[str, Any]
    asked: int = 0  # how often somebody asked after it

    @property
    def status(self) -> str:
        if self.asked < 2:
            return ("queued", "in_progress")[self.asked]
        return "failed" if "fail" in self.said["prompt"] else "completed"


class Clips:
    """The latest videos of one provider."""

    def __init__(self) -> None:
        self._clips: dict[str, Clip] = {}

    def add(self, id_: str, clip: Clip) -> None:
        self._clips[id_] = clip
        if len(self._clips) > _KEPT:
            del self._clips[next(iter(self._clips))]

    def answer(self, exchange: Exchange) -> bool:
        """Whether it was about a video that is here."""
        match = _PATH.search(exchange.path)
        clip = self._clips.get(match[1]) if match is not None else None
        if match is None or clip is None:
            return False
        if match[2] is None:
            clip.asked += 1
            exchange.respond(200, _JSON, msgspec.json.encode(shown(match[1], clip)))
        else:
            exchange.respond(200, _CLIP, film_of(str(clip.said["prompt"])))
        return True


def film_of(prompt: str) -> bytes:
    """What the simulated camera makes of a prompt."""
    return f"not a film: {prompt}\n".encode() * 5_000


def shown(id_: str, clip: Clip) -> dict[str, Any]:
    return {
        "id": id_,
        "object": "video",
        "model": clip.said["model"],
        "status": clip.status,
        "progress": {"queued": 0, "in_progress": 50}.get(clip.status, 100),
        "created_at": 0,
        "seconds": clip.said.get("seconds", "4"),
        "size": clip.said.get("size", "720x1280"),
    }


class Videos(Form):
    """The request that takes one."""

    name = "videos"
    needs_file = False

    def __init__(self, exchange: Exchange, clips: Clips) -> None:
        super().__init__(exchange)
        self._clips = clips

    def whole(self, reply: Reply) -> Piece:
        clip = Clip(self.said)
        self._clips.add(reply.id, clip)
        return Piece(msgspec.json.encode(shown(reply.id, clip)), "whole")
