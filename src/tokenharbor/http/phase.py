"""The phases of a client's connection: how much of a request has come, and whether another may follow.

```
IDLE ──a byte──▶ HEAD ──the blank line──▶ ACCEPTED ──its task runs──▶ HANDLING
 ▲                                                                     │
 └──────────────────── its answer is out, and another may come ────────┤
                                                                       ▼
IDLE, HEAD ──refused, or the server drains──▶ LINGERING ◀──the last answer is out
```

A disconnect is not a phase: it may come in each, and ends the handler. In IDLE and HEAD, bytes begin a request;
in ACCEPTED and HANDLING they extend a body or are kept for later; in LINGERING they are discarded.
"""

IDLE, HEAD, ACCEPTED, HANDLING, LINGERING = range(5)
