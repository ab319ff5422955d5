"""The plan of a request whose model stands for many: who of a pool can serve it, in which order, and why no other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from tokenharbor.billing.counting import estimated_input
from tokenharbor.billing.holds import Holds
from tokenharbor.billing.meter import Meter
from tokenharbor.billing.quote import Quote, quote
from tokenharbor.catalog.types import Model, ResolvedName
from tokenharbor.gateway.admit import boundaries
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.offers import Plan, ReadyEndpoint
from tokenharbor.gateway.planning import is_strict, plan_by_rules
from tokenharbor.gateway.pools import PoolAccess, PoolMember
from tokenharbor.gateway.translation import lacks
from tokenharbor.kernel.errors import InsufficientQuota
from tokenharbor.orchestra.pins import PRICED_UNITS, Choice, TokenPrices
from tokenharbor.orchestra.stage import Stage
from tokenharbor.routing.drops import DropCode
from tokenharbor.routing.health import Health
from tokenharbor.routing.plan import DroppedEndpoint
from tokenharbor.wire.neutral.chat import Feature
from tokenharbor.wire.neutral.request import Request

_FILES = Feature.FILE, Feature.FILE_URL
_IMAGES = "messages"
"""The field that is named where an image was found in a request that could not be read."""


@dataclass(frozen=True, slots=True)
class PoolRoute:
    """Who of a stage's pool can serve the request, each model with its endpoints in order; and why others cannot."""

    found: Sequence[Plan]
    dropped: Sequence[DroppedEndpoint]

    def find(self, model: str) -> Plan | None:
        return next((each for each in self.found if each.model.name == model), None)


@dataclass(slots=True)
class PoolRoutes:
    """The routes of one request, each made when it is first asked for."""

    call: MeteredCall
    request: Request
    access: PoolAccess
    health: Health
    _routes: dict[Stage, PoolRoute] = field(default_factory=dict)

    def first_of(self, stage: Stage) -> TokenPrices | None:
        """The model that a new session of this stage would be given."""
        found = self._route(stage).found
        return self._prices(self._in_order(found)[0]) if found else None

    def prices_of(self, stage: Stage, model: str) -> TokenPrices | None:
        """Those of a model of a stage's pool; None where it cannot serve the request."""
        plan = self._route(stage).find(model)
        return None if plan is None else self._prices(plan)

    def plan(self, choice: Choice) -> Plan:
        """The stage's own pool; where nobody of it can serve the request, the general one, then any other."""
        dropped: dict[str, DroppedEndpoint] = {}
        for stage in dict.fromkeys((choice.stage, Stage.GENERAL, *Stage)):
            route = self._route(stage)
            dropped |= {each.endpoint.name: each for each in route.dropped}
            if route.found:
                return self._join(route.found, choice, dropped)
        model = next(each.offers.model for pool in self.access.members.values() for each in pool)
        return Plan(model, (), list(dropped.values()), pooled=True)

    def _join(self, found: Sequence[Plan], choice: Choice, dropped: dict[str, DroppedEndpoint]) -> Plan:
        """One plan of many: all endpoints of the first model, the best of each further one."""
        order = self._in_order(found, choice)
        first = self._endpoints(order[0], choice)
        behind = [ready for plan in order[1:] for ready in plan.endpoints]
        best = [plan.endpoints[0] for plan in order[1:]] if self._fails_over else []
        for ready in behind:
            if ready not in best:
                reason = "over the limit of providers for one request"
                dropped[ready.name] = DroppedEndpoint(ready.endpoint, DropCode.AT_MOST, reason)
        endpoints = (*first, *best)
        served = {each.name for each in endpoints}
        foreign = any(each.vendor is not self.call.dialect for each in endpoints)
        out = [each for name, each in dropped.items() if name not in served]
        return Plan(order[0].model, endpoints, out, foreign, self.health.cooling(), pooled=True)

    @property
    def _fails_over(self) -> bool:
        return any(each.wanted.max_providers > 1 for pool in self.access.members.values() for each in pool)

    def _in_order(self, found: Sequence[Plan], choice: Choice | None = None) -> Sequence[Plan]:
        """The executor that stays, then as the pool has them; models whose endpoints all cool come last."""
        cooling = self.health.cooling()

        def rank(plan: Plan) -> tuple[bool, bool, bool]:
            names = {each.name for each in plan.endpoints}
            stays = choice is not None and choice.endpoint in names
            return names <= cooling, not stays, choice is None or choice.model != plan.model.name

        return sorted(found, key=rank)

    def _endpoints(self, plan: Plan, choice: Choice) -> Sequence[ReadyEndpoint]:
        """Those of the first model; first of all the one that stays, unless it cools or the caller has an order."""
        rules = self.request.rules or self.call.header_rules()
        if rules is not None and rules.order:
            return plan.endpoints
        cooling = self.health.cooling()
        return sorted(plan.endpoints, key=lambda each: each.name != choice.endpoint or each.name in cooling)

    def _prices(self, plan: Plan) -> TokenPrices:
        """At the size of this request, and as the caller pays them."""
        rates, at, size = plan.endpoints[0].rates, self.call.started_at, estimated_input(self.request.size)
        sold = rates.terms.sold
        return TokenPrices(plan.model.name, *(rates.pico(unit, at, size) * sold for unit in PRICED_UNITS))

    def _route(self, stage: Stage) -> PoolRoute:
        known = self._routes.get(stage)
        if known is None:
            known = self._routes[stage] = self._make_route(self.access.members[stage])
        return known

    def _make_route(self, members: Sequence[PoolMember]) -> PoolRoute:
        dropped: list[DroppedEndpoint] = []
        able: list[PoolMember] = []
        for member in members:
            drop = member.barred or self._cannot(member.offers.model, member)
            if drop is None:
                able.append(member)
            else:
                dropped.append(drop)
        able = [*self._by_length(able, dropped)]
        plans = [self._plan_of(member) for member in able]
        dropped += [drop for plan in plans for drop in plan.dropped]
        return PoolRoute([plan for plan in plans if plan.endpoints], dropped)

    def _plan_of(self, member: PoolMember) -> Plan:
        """The plan of one model by itself."""
        call, request = self.call, self.request
        header, cooling = call.header_rules(), self.health.cooling()
        wanted = member.wanted
        if request.rules is not None or header is not None or cooling:
            wanted = msgspec.structs.replace(
                wanted,
                boundaries=boundaries(request.rules, header, ResolvedName(member.offers.model)),
                cooling=cooling,
                latency_ms=self.health.latency_ms,
            )
        return plan_by_rules(call, request, member.offers, wanted, strict=is_strict(request.rules, header))

    def _cannot(self, model: Model, member: PoolMember) -> DroppedEndpoint | None:
        """Whether the model lacks what the request asks for, in whatever wire."""
        endpoint = member.offers.candidates[0].endpoint
        for feature, place in self._features():
            if (why := lacks(feature, place, model)) is not None:
                return DroppedEndpoint(endpoint, DropCode.CAPABILITY, why.message, refusal=why)
        return None

    def _features(self) -> Iterator[tuple[Feature, str]]:
        chat = self.call.chat
        if chat is not None:
            yield from chat.features.items()
        elif self.request.size.images:
            yield Feature.IMAGE, _IMAGES

    def _by_length(self, able: Sequence[PoolMember], dropped: list[DroppedEndpoint]) -> Iterator[PoolMember]:
        """Those that the request and its answer fit in, by our estimate; where it is too long for all, the longest.
        Likewise those that read files, if any do.
        """
        files = self.call.chat is not None and not self.call.chat.features.keys().isdisjoint(_FILES)
        reads = files and any("pdf" in each.offers.model.capabilities for each in able)
        most = max((_room(each.offers.model, self.request) for each in able), default=0)
        for member in able:
            model, endpoint = member.offers.model, member.offers.candidates[0].endpoint
            room = _room(model, self.request)
            if room < 0 and room < most:
                dropped.append(DroppedEndpoint(endpoint, DropCode.CONTEXT, f"too long for {model.name}"))
            elif reads and "pdf" not in model.capabilities:
                dropped.append(DroppedEndpoint(endpoint, DropCode.CAPABILITY, f"{model.name} does not read files"))
            else:
                yield member


def _room(model: Model, request: Request) -> int:
    """What would be left of the model's context, or of its answers; negative: the request is too long for it."""
    most = request.max_output or 0
    return min(model.context - estimated_input(request.size) - most, model.max_output - most)


async def hold_for_pool(holds: Holds, meter: Meter, request: Request, plan: Plan, quoted: Quote) -> Plan:
    """Hold what the dearest model could cost; where that is refused for want of balance, without that model, and so on.
    The plan as it is covered. Raises as `Holds.place`.
    """
    while True:
        try:
            await holds.place(meter, request, plan.endpoints, meter.policy, quoted)
        except InsufficientQuota:
            if not quoted.by_model:
                raise
            plan = _without_dearest(plan, quoted)
            meter.not_asked = plan.not_asked
            quoted = quote(request, plan.endpoints, meter.started_at, writes=plan.foreign)
        else:
            return plan


def _without_dearest(plan: Plan, quoted: Quote) -> Plan:
    dearest = quoted.model.name
    reason = "the balance, or what is left of a budget, does not cover it"

    def step(ready: ReadyEndpoint) -> ReadyEndpoint | DroppedEndpoint:
        if ready.model.name != dearest:
            return ready
        return DroppedEndpoint(ready.endpoint, DropCode.BALANCE, reason)

    return plan.narrow(step)
