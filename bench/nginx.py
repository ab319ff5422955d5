"""nginx in its two parts: the vendor that answers at once, and the plain proxy that we compare with."""

from pathlib import Path

from bench.bodies import LARGE, SMALL, chat_answer, messages_answer, nginx_answer
from bench.machine import Program, Started, find_program, free_port

_COMMON = """\
daemon off;
worker_processes 1;
pid {folder}/{name}.pid;
error_log {folder}/{name}.error;
{user}
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    server_tokens off;
    tcp_nodelay on;
    keepalive_requests 100000000;
    keepalive_timeout 300s;
    client_max_body_size 32m;
    client_body_buffer_size 256k;
    client_body_temp_path {folder}/{name}-body;
    proxy_temp_path {folder}/{name}-proxy;
    fastcgi_temp_path {folder}/{name}-fastcgi;
    uwsgi_temp_path {folder}/{name}-uwsgi;
    scgi_temp_path {folder}/{name}-scgi;
{inside}
}}
"""
_VENDOR = """\
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        default_type application/json;
        location /small/ {{ {small_piece} return 200 {small}; }}
        location /large/ {{ {large_piece} return 200 {large}; }}
        location /messages/ {{ {messages_piece} return 200 {messages}; }}
    }}
"""
_PROXY = """\
    upstream vendor {{ server 127.0.0.1:{vendor}; keepalive 512; keepalive_requests 100000000; }}
    upstream drip {{ server 127.0.0.1:{drip}; keepalive 1024; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_buffers 32 8k;
        proxy_max_temp_file_size 0;
        location / {{ proxy_pass http://vendor; }}
        location /drip/ {{ proxy_pass http://drip; proxy_buffering off; }}
    }}
"""


def start_vendor(started: Started) -> tuple[Program, int]:
    """Answers POST /small/… and /large/… with a completion that says what it used, /messages/… as Anthropic would."""
    port = free_port()
    small_piece, small = nginx_answer(chat_answer(), SMALL)
    large_piece, large = nginx_answer(chat_answer(), LARGE)
    messages_piece, messages = nginx_answer(messages_answer(), SMALL)
    inside = _VENDOR.format(
        port=port, small_piece=small_piece, small=small, large_piece=large_piece, large=large,
        messages_piece=messages_piece, messages=messages,
    )  # fmt: skip
    return _start(started, "vendor", inside, port), port


def start_proxy(started: Started, vendor: int, drip: int) -> tuple[Program, int]:
    """`proxy_pass` with kept connections to the vendor; streams under /drip/ pass unbuffered."""
    port = free_port()
    return _start(started, "proxy", _PROXY.format(port=port, vendor=vendor, drip=drip), port), port


def _start(started: Started, name: str, inside: str, port: int) -> Program:
    program = find_program("nginx", "nginx-light")
    path = started.folder / f"{name}.conf"
    path.write_text(_COMMON.format(folder=started.folder, name=name, user=_user(), inside=inside))
    return started.start(name, program, "-e", str(started.folder / f"{name}.error"), "-c", str(path), port=port)


def _user() -> str:
    """As root the worker stays root: it could not enter the folder otherwise, and it only meets loopback."""
    return "user root;" if Path("/proc/self").stat().st_uid == 0 else ""
