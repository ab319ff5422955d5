"""Handlers of paths: functions of an exchange, and of the name in its path if the path has one."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial

from tokenharbor.gateway.answer_reports import AnswerReports
from tokenharbor.gateway.answers import rate_lines, write_refusal
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.counting import TokenCountHandler
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.key_state import KeyStateHandler
from tokenharbor.gateway.kinds.chat import ChatKind
from tokenharbor.gateway.kinds.kind import AnyKind
from tokenharbor.gateway.listing import ReadHandler
from tokenharbor.gateway.serve import Gateway
from tokenharbor.gateway.system_paths import SystemPaths
from tokenharbor.gateway.video_tasks import VideoTasks
from tokenharbor.http.exchange import Exchange
from tokenharbor.kernel.errors import Refusal
from tokenharbor.wire.neutral.dialect import AnswerPath, CountPath, Dialect, ModelInPath

Serve = Callable[..., Awaitable[None]]
"""Serves an exchange. For a path with a name in it, the name is the second argument."""

Read = Callable[[Call, str], Awaitable[None]]
DialectOf = Callable[[str, Collection[bytes]], Dialect]


@dataclass(frozen=True, slots=True)
class Handlers:
    """The handlers of all paths, made once at start. `dialect_of` returns the dialect of a path's errors."""

    dependencies: Dependencies
    gateway: Gateway
    counting: TokenCountHandler
    listing: ReadHandler
    key_state: KeyStateHandler
    reports: AnswerReports
    videos: VideoTasks
    system: SystemPaths
    dialect_of: DialectOf


Bind = Callable[[Handlers], Serve]


def make_handlers(dependencies: Dependencies, system: SystemPaths, dialect_of: DialectOf) -> Handlers:
    return Handlers(
        dependencies,
        Gateway(dependencies),
        TokenCountHandler(dependencies),
        ReadHandler(dependencies),
        KeyStateHandler(dependencies.local_limits, dependencies.keys, dependencies.reads),
        AnswerReports(dependencies),
        VideoTasks(dependencies),
        system,
        dialect_of,
    )


def answers(make_kind: Callable[[Dependencies], AnyKind]) -> Bind:
    """Bind a path to which requests of one kind are posted."""
    return lambda handlers: partial(handlers.gateway.enter, kind=make_kind(handlers.dependencies))


def chats(dialect: Dialect, path: AnswerPath) -> Bind:
    """Bind a path to which a dialect's chats are posted."""
    if "{" not in path.path:
        return answers(partial(ChatKind, dialect=dialect))

    def bind(handlers: Handlers) -> Serve:
        kind: AnyKind = ChatKind(handlers.dependencies, dialect)
        enter, stream = handlers.gateway.enter, path.stream
        return lambda exchange, name: enter(exchange, kind, ModelInPath(name, stream))

    return bind


def counts(dialect: Dialect, path: CountPath) -> Bind:
    """Bind a path that counts tokens in a dialect."""
    return lambda handlers: partial(handlers.counting.serve, dialect, path)


def reads(find: Callable[[Handlers], Read]) -> Bind:
    """Bind a path that callers read, free of charge."""
    return lambda handlers: partial(_serve_reading, handlers, find(handlers))


async def _serve_reading(handlers: Handlers, read: Read, exchange: Exchange, name: str = "") -> None:
    dialect = handlers.dialect_of(exchange.path, exchange.header_map)
    call = Call(exchange, dialect, handlers.dependencies.world)
    try:
        call.read_query()
        await read(call, name)
    except Refusal as refusal:
        exchange.respond(*write_refusal(dialect, call.request_id, refusal, rate_lines(call)))
