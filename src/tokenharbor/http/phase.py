"""The phases of a client's connection: how much of a request is here, and whether another may come.

```
IDLE ──a byte──▶ HEAD ──the blank line──▶ ACCEPTED ──its task runs──▶ HANDLING
 ▲                                                                     │
 └──────────────────── its answer is out, and another may come ────────┤
                                                                       ▼
IDLE, HEAD ──refused, or the server drains──▶ LINGERING ◀──the last answer is out
```

A hang-up is no phase: it may come in each, and a handler ends after it. In IDLE and HEAD what comes begins a request;
in ACCEPTED and HANDLING it is more of a body, or kept for later; in LINGERING it is thrown away until the end.
"""

IDLE, HEAD, ACCEPTED, HANDLING, LINGERING = range(5)
