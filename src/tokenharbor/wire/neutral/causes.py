"""Causes of failure: where the status is ambiguous, the vendor's code, type and first words tell who is at fault.

Each dialect has a table of rows beside its failures. `SHARED` holds the rows of vendors that speak several dialects,
and of resellers that pass such words on. The comment above a row names its source: a page or a public report.
"""

import re
from collections.abc import Iterable

import msgspec

from tokenharbor.wire.neutral.failure import FailureKind

_KINDS = {
    400: FailureKind.REQUEST,
    401: FailureKind.CREDENTIAL,
    402: FailureKind.CREDENTIAL,
    403: FailureKind.CREDENTIAL,
    404: FailureKind.NOT_FOUND,
    405: FailureKind.NOT_FOUND,
    408: FailureKind.TIMEOUT,
    413: FailureKind.REQUEST,
    422: FailureKind.REQUEST,
    429: FailureKind.RATE_LIMIT,
    504: FailureKind.TIMEOUT,
    529: FailureKind.OVERLOADED,
}
_HIDDEN_CAUSES = {
    FailureKind.REQUEST: frozenset(FailureKind),
    FailureKind.RATE_LIMIT: frozenset({FailureKind.CREDENTIAL, FailureKind.OVERLOADED, FailureKind.NOT_FOUND}),
}
"""The causes that vendors report under a status with another meaning."""

_CONTEXT_CODES = frozenset({"context_length_exceeded", "model_context_window_exceeded", "string_above_max_length"})
_CONTEXT_WORDS = re.compile(
    r"maximum context length|context[ _-](?:length|window|size)|prompt is too long|input (?:is|length|tokens?).{0,40}"
    r"(?:too long|exceed)|too many (?:input )?tokens|exceeds? the (?:maximum|max) (?:number of )?(?:input )?tokens"
    r"|model token limit|range of input length|input length and .?max_tokens.? exceed",
    re.IGNORECASE,
)
_MOST_WORDS = 4_000  # characters of a message that are searched

# A prefix that some vendors put before their message, such as "<400> InternalError.Algo.InvalidParameter: ".
_PREFIX = r"(?:<\d{3}> ?)?(?:(?:api )?error(?: code)?:? ?(?:\d{3})?[:,-]? )?(?:[A-Za-z]+(?:\.[A-Za-z]+)*: )?"


class ErrorDetails(msgspec.Struct, frozen=True):
    """A failure's message, code and type, as the vendor states them."""

    message: str = ""
    code: str = ""
    type: str = ""


class Cause(msgspec.Struct, frozen=True):
    """One row of a table: errors with a code or type in `words`, or a message that matches at its beginning, have this
    cause. Only the beginning counts, because later text may quote the caller.
    """

    kind: FailureKind
    words: tuple[str, ...] = ()
    begins: str = ""


class CauseTable:
    """A dialect's rows, indexed by word and compiled."""

    def __init__(self, rows: Iterable[Cause]) -> None:
        rows = tuple(rows)
        self._words = {word: row.kind for row in rows for word in row.words}
        self._begins = tuple(
            (re.compile(f"{_PREFIX}(?:{row.begins})", re.IGNORECASE), row.kind) for row in rows if row.begins
        )

    def kind(self, details: ErrorDetails, status: int | None = None) -> FailureKind:
        """Return the kind of a failure. `status` is None for an error inside a 200."""
        if status is None:
            kind = self._find(details) or _by_number(details.code)
        else:
            kind = _KINDS.get(status, FailureKind.SERVER)
            if kind in _HIDDEN_CAUSES:
                cause = self._find(details)
                kind = cause if cause in _HIDDEN_CAUSES[kind] else kind
        if kind is FailureKind.REQUEST or (kind is FailureKind.SERVER and status is None):
            return FailureKind.CONTEXT if _is_context(details) else kind
        return kind

    def _find(self, details: ErrorDetails) -> FailureKind | None:
        """Look up the most specific sign first: a general type may accompany a more telling code or message."""
        if (kind := self._words.get(details.code)) is not None and kind is not FailureKind.REQUEST:
            return kind
        message = details.message[:_MOST_WORDS]
        for begins, cause in self._begins:
            if begins.match(message):
                return cause
        return self._words.get(details.type) or kind


def _is_context(details: ErrorDetails) -> bool:
    """Return whether the vendor says that the input is too long for the model."""
    return details.code in _CONTEXT_CODES or bool(_CONTEXT_WORDS.search(details.message[:_MOST_WORDS]))


def _by_number(code: str) -> FailureKind:
    """Map a three-digit code as a status: some vendors put the status there."""
    return _KINDS.get(int(code), FailureKind.SERVER) if code.isdecimal() and len(code) == 3 else FailureKind.SERVER


_MODEL = r"(?:the )?(?:requested |provided |specified |supported )?model\b"
_ACCOUNT_REF = r"(?:this|your|the) (?:organization|workspace|team|project|account|subscription)\b"
_ACCOUNT = (
    r"(?:(?:this|your|the|sorry, your) )?(?:free )?"
    r"(?:organization|workspace|team|project|account|subscription|trial|plan)\b"
)

SHARED = (
    # docs.z.ai/api-reference/api-code and docs.bigmodel.cn/cn/api/api-code: 10xx the key, 11xx the account, 1220 and
    # 1311 access, 1308 to 1310 the account's purchased quota is used up or has expired
    Cause(
        FailureKind.CREDENTIAL,
        words=(
            *("1000", "1001", "1002", "1003", "1004", "1100", "1110", "1111", "1112", "1113", "1120", "1121"),
            *("1220", "1308", "1309", "1310", "1311"),
        ),
    ),
    # the same pages: no such model, the API gone, no such API
    Cause(FailureKind.NOT_FOUND, words=("1211", "1221", "1222"), begins=r"unknown model\b|模型不存在"),
    Cause(FailureKind.CONTEXT, words=("1261",)),
    Cause(FailureKind.RATE_LIMIT, words=("1302", "1303", "1304", "1305", "1312", "1313")),
    # help.aliyun.com/en/model-studio/error-code
    Cause(
        FailureKind.CREDENTIAL,
        words=(
            *("Arrearage", "AccessDenied", "access_denied", "AccessDenied.Unpurchased", "Model.AccessDenied"),
            *("Workspace.AccessDenied", "App.AccessDenied", "InvalidApiKey", "AllocationQuota.FreeTierOnly"),
        ),
        begins=r"access denied, please make sure your account|model access denied|workspace access denied",
    ),
    Cause(FailureKind.NOT_FOUND, words=("ModelNotFound", "model_not_supported", "Model.NotFound")),
    Cause(FailureKind.RATE_LIMIT, words=("Throttling", "Throttling.RateQuota", "Throttling.AllocationQuota")),
    # platform.kimi.ai/docs/api/errors
    Cause(
        FailureKind.CREDENTIAL,
        words=(
            *("exceeded_current_quota_error", "invalid_authentication_error", "incorrect_api_key_error"),
            "permission_denied_error",
        ),
    ),
    Cause(FailureKind.NOT_FOUND, words=("resource_not_found_error",), begins="not found the model"),
    Cause(FailureKind.OVERLOADED, words=("engine_overloaded_error",)),
    # api-docs.deepseek.com/quick_start/error_codes, and messages seen from that service
    Cause(
        FailureKind.CREDENTIAL,
        words=("insufficient_balance",),
        begins=r"insufficient (?:account )?(?:balance|credits?)\b|(?:账户|账号)?余额不足|(?:您的)?(?:账户|账号)已?欠费",
    ),
    # docs.volcengine.com/docs/82379/1299023
    Cause(FailureKind.CREDENTIAL, words=("AccountOverdueError", "AccountOverdue", "InvalidSubscription")),
    # console.groq.com/docs/errors, and messages seen from that service
    Cause(
        FailureKind.CREDENTIAL,
        words=("organization_restricted", "blocked_api_access", "model_terms_required", "spend_limit_reached"),
        begins=r"organization has been restricted",
    ),
    Cause(FailureKind.NOT_FOUND, begins=r"model not exist"),
    # platform.openai.com/docs/guides/error-codes
    Cause(
        FailureKind.CREDENTIAL,
        words=(
            *("insufficient_quota", "invalid_api_key", "billing_hard_limit_reached", "billing_not_active"),
            *("account_deactivated", "account_suspended", "organization_deactivated", "invalid_organization"),
            *("unsupported_country_region_territory", "ip_not_authorized", "mismatched_organization"),
        ),
        begins=(
            r"(?:incorrect|invalid) api[ _-]key|billing hard limit has been reached"
            r"|country, region, or territory not supported|(?:this |the |your )?api[ _-]key (?:is |has been )?"
            r"(?:not valid|not found|invalid|expired|disabled|revoked|deactivated)"
        ),
    ),
    Cause(FailureKind.NOT_FOUND, words=("model_not_found", "invalid_model", "model_not_available")),
    # platform.claude.com/docs/en/api/errors; github.com/anthropics/claude-code/issues/9384; laravel/ai#864
    Cause(
        FailureKind.CREDENTIAL,
        words=("authentication_error", "billing_error", "permission_error"),
        begins=(
            r"(?:your |sorry, your )?(?:credit|account) balance is (?:too low|insufficient)"
            r"|you have reached your specified .{0,40}usage limits"
            r"|this credential is only authorized for|oauth authentication is currently not"
            rf"|{_ACCOUNT_REF}.{{0,160}}?\b(?:disabled|deactivated|suspended|archived|not active|locked|restricted"
            r"|past due|overdue|must be verified|does not have access|not (?:authori[sz]ed|allowed (?:in|to))"
            r"|(?:usage|spend(?:ing)?) limits?)\b"
            rf"|{_ACCOUNT} (?:has |have |is |was )?(?:been )?"
            r"(?:suspended|deactivated|disabled|archived|expired|terminated|locked|blocked)\b"
        ),
    ),
    # ai.google.dev/gemini-api/docs/troubleshooting: the account's region, and its plan
    Cause(FailureKind.CREDENTIAL, begins=r"user location is not supported|.{0,40}free tier is not available"),
    # how various servers and gateways report an unknown model
    Cause(
        FailureKind.NOT_FOUND,
        begins=(
            # "the model does not support X" means that the model exists
            rf"{_MODEL}(?!.{{0,100}}?(?:n.t|not) (?:support|allow|accept)).{{0,250}}?"
            r"\b(?:(?:does|do) not exist|not exist|(?:was |is )?not found|could not be found"
            r"|is not available|is unknown|has been (?:deprecated|retired|removed|decommissioned)|is no longer)\b"
            rf"|{_MODEL}(?: \S{{1,200}})? is not supported\W*$"
            r"|no such model|unsupported model\b"
            r"|invalid model(?: (?:name|id|identifier|specified)\b|:)|\S{1,200} is not a valid model\b"
            r"|models/\S{1,200} is not found"
        ),
    ),
)
