"""Simulated videos: accepted at once, in progress at the first poll, then completed, or failed if
the prompt says so.
"""

import re
from typing import Any

import msgspec

from tokenharbor.http.exchange import Exchange
from tokenharbor.simulator.dialect import AnswerPiece, SimulatedReply
from tokenharbor.simulator.surfaces import SimulatedForm

_JSON = b"content-type: application/json\r\nx-simulated: true\r\n"
_CLIP = b"content-type: video/mp4\r\nx-simulated: true\r\n"
_PATH = re.compile(r"/videos/(sim-[^/]+)(/content)?$")
_KEPT = 1_000


class SimulatedVideo(msgspec.Struct):
    """One video."""

    body: dict[str, Any]
    times_asked: int = 0  # number of polls

    @property
    def status(self) -> str:
        if self.times_asked < 2:
            return ("queued", "in_progress")[self.times_asked]
        return "failed" if "fail" in self.body["prompt"] else "completed"


class SimulatedVideos:
    """The latest videos of one provider."""

    def __init__(self) -> None:
        self._videos: dict[str, SimulatedVideo] = {}

    def add(self, id_: str, video: SimulatedVideo) -> None:
        self._videos[id_] = video
        if len(self._videos) > _KEPT:
            del self._videos[next(iter(self._videos))]

    def answer(self, exchange: Exchange) -> bool:
        """Answer a request about a known video; return whether it was one."""
        match = _PATH.search(exchange.path)
        video = self._videos.get(match[1]) if match is not None else None
        if match is None or video is None:
            return False
        if match[2] is None:
            video.times_asked += 1
            exchange.respond(200, _JSON, msgspec.json.encode(video_object(match[1], video)))
        else:
            exchange.respond(200, _CLIP, simulated_mp4(str(video.body["prompt"])))
        return True


def simulated_mp4(prompt: str) -> bytes:
    """Return the simulated video of a prompt."""
    return f"not a film: {prompt}\n".encode() * 5_000


def video_object(id_: str, video: SimulatedVideo) -> dict[str, Any]:
    return {
        "id": id_,
        "object": "video",
        "model": video.body["model"],
        "status": video.status,
        "progress": {"queued": 0, "in_progress": 50}.get(video.status, 100),
        "created_at": 0,
        "seconds": video.body.get("seconds", "4"),
        "size": video.body.get("size", "720x1280"),
    }


class SimulatedVideoRequest(SimulatedForm):
    """The request that creates a video."""

    name = "videos"
    needs_file = False

    def __init__(self, exchange: Exchange, videos: SimulatedVideos) -> None:
        super().__init__(exchange)
        self._videos = videos

    def whole(self, reply: SimulatedReply) -> AnswerPiece:
        video = SimulatedVideo(self.body)
        self._videos.add(reply.id, video)
        return AnswerPiece(msgspec.json.encode(video_object(reply.id, video)), "whole")
