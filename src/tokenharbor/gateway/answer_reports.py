"""Reports of wrong answers of the semantic cache: each answer counts once, as a disagreement."""

from tokenharbor.cache.answers import SEMANTIC
from tokenharbor.gateway.answers import json_head
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.local_limits import LocalClass
from tokenharbor.kernel import ids
from tokenharbor.kernel.documents import encode_document
from tokenharbor.kernel.errors import BooksError, InvalidRequest, NotFound, Unavailable


class AnswerReports:
    """Handles reports. Any key of the account may report an answer."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def report(self, call: Call, name: str) -> None:
        """Count the answer of a request as wrong. All answers stored for the account so far are no longer found."""
        dependencies = self._dependencies
        caller = await dependencies.local_limits.admit(call, LocalClass.READ)
        try:
            request_id = ids.parse("req", name)
        except ValueError as error:
            raise InvalidRequest(str(error), param="id") from None
        semantic = dependencies.caching.semantic
        try:
            receipt = await dependencies.reads.receipt(caller.account_id, request_id)
            if receipt is None:
                raise NotFound("This account has no request with this id.")
            if receipt.get("cache") != SEMANTIC or semantic is None:
                raise InvalidRequest("Only an answer of the semantic cache can be reported.", param="id")
            trial = dependencies.snapshots.of(caller).policy.cache.semantic_trial
            counted = await semantic.trials.report(caller.account_id, request_id, trial)
        except BooksError as error:
            raise Unavailable("Database unavailable: try again shortly.") from error
        call.exchange.respond(200, json_head(call), encode_document({"id": name, "counted": counted}))
