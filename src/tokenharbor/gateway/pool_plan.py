"""The plan of a request for a model pool: the models that can serve it, in order, and why others cannot."""

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
"""The field to name for an image in a request that could not be read as a chat."""


@dataclass(frozen=True, slots=True)
class PoolRoute:
    """The models of a stage's pool that can serve the request, each as a plan, and why other endpoints are dropped."""

    plans: Sequence[Plan]
    dropped: Sequence[DroppedEndpoint]

    def find(self, model: str) -> Plan | None:
        return next((each for each in self.plans if each.model.name == model), None)


@dataclass(slots=True)
class PoolRoutes:
    """The routes of one request by stage, each made on first use."""

    call: MeteredCall
    request: Request
    access: PoolAccess
    health: Health
    _routes: dict[Stage, PoolRoute] = field(default_factory=dict)

    def first_of(self, stage: Stage) -> TokenPrices | None:
        """Return the prices of the model that a new session at this stage would get, or None if no model can
        serve it.
        """
        plans = self._route(stage).plans
        return self._prices(self._in_order(plans)[0]) if plans else None

    def prices_of(self, stage: Stage, model: str) -> TokenPrices | None:
        """Return the prices of a model of a stage's pool, or None if it cannot serve the request."""
        plan = self._route(stage).find(model)
        return None if plan is None else self._prices(plan)

    def plan(self, choice: Choice) -> Plan:
        """Return the plan from the stage's own pool; if none of its models can serve the request, from the general
        pool, then from any other.
        """
        dropped: dict[str, DroppedEndpoint] = {}
        for stage in dict.fromkeys((choice.stage, Stage.GENERAL, *Stage)):
            route = self._route(stage)
            dropped |= {each.endpoint.name: each for each in route.dropped}
            if route.plans:
                return self._join(route.plans, choice, dropped)
        model = next(each.offers.model for pool in self.access.members.values() for each in pool)
        return Plan(model, (), list(dropped.values()), pooled=True)

    def _join(self, plans: Sequence[Plan], choice: Choice, dropped: dict[str, DroppedEndpoint]) -> Plan:
        """Join the plans of several models: all endpoints of the first model, and the best one of each further
        model.
        """
        order = self._in_order(plans, choice)
        first = self._endpoints(order[0], choice)
        further = [ready for plan in order[1:] for ready in plan.endpoints]
        best = [plan.endpoints[0] for plan in order[1:]] if self._fails_over else []
        for ready in further:
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
        return any(each.route_request.max_providers > 1 for pool in self.access.members.values() for each in pool)

    def _in_order(self, plans: Sequence[Plan], choice: Choice | None = None) -> Sequence[Plan]:
        """Return the plans in order: the executor that stays, then the pool's order; models with only cooling endpoints
        come last.
        """
        cooling = self.health.cooling()

        def rank(plan: Plan) -> tuple[bool, bool, bool]:
            names = {each.name for each in plan.endpoints}
            stays = choice is not None and choice.endpoint in names
            return names <= cooling, not stays, choice is None or choice.model != plan.model.name

        return sorted(plans, key=rank)

    def _endpoints(self, plan: Plan, choice: Choice) -> Sequence[ReadyEndpoint]:
        """Return the first model's endpoints. The one that stays comes first, unless it is cooling or the caller set an
        order.
        """
        rules = self.request.rules or self.call.header_rules()
        if rules is not None and rules.order:
            return plan.endpoints
        cooling = self.health.cooling()
        return sorted(plan.endpoints, key=lambda each: each.name != choice.endpoint or each.name in cooling)

    def _prices(self, plan: Plan) -> TokenPrices:
        """Return a model's prices at the size of this request, under the caller's terms."""
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
        """Return the plan of one model."""
        call, request = self.call, self.request
        header, cooling = call.header_rules(), self.health.cooling()
        route_request = member.route_request
        if request.rules is not None or header is not None or cooling:
            route_request = msgspec.structs.replace(
                route_request,
                boundaries=boundaries(request.rules, header, ResolvedName(member.offers.model)),
                cooling=cooling,
                latency_ms=self.health.latency_ms,
            )
        return plan_by_rules(call, request, member.offers, route_request, strict=is_strict(request.rules, header))

    def _cannot(self, model: Model, member: PoolMember) -> DroppedEndpoint | None:
        """Return a drop if the model lacks a capability that the request needs in any wire, else None."""
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
        """Yield the models with enough context for the request and its answer, by our estimate; if it is too long for
        all, those with the longest. For requests with files, yield only models that read files, if there are any.
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
    """Return the tokens left in the model's context or its maximum output; negative if the request is too long."""
    most = request.max_output or 0
    return min(model.context - estimated_input(request.size) - most, model.max_output - most)


async def hold_for_pool(holds: Holds, meter: Meter, request: Request, plan: Plan, quoted: Quote) -> Plan:
    """Place a hold for the most expensive model. If the balance does not cover it, drop that model and try again.
    Return the plan that is covered. Raises as `Holds.place`.
    """
    while True:
        try:
            await holds.place(meter, request, plan.endpoints, meter.policy, quoted)
        except InsufficientQuota:
            if not quoted.by_model:
                raise
            plan = _without_most_expensive(plan, quoted)
            meter.not_asked = plan.not_asked
            quoted = quote(request, plan.endpoints, meter.started_at, writes=plan.foreign)
        else:
            return plan


def _without_most_expensive(plan: Plan, quoted: Quote) -> Plan:
    """Return the plan without the model that has the highest quote."""
    most_expensive = quoted.model.name
    reason = "the balance, or what is left of a budget, does not cover it"

    def step(ready: ReadyEndpoint) -> ReadyEndpoint | DroppedEndpoint:
        if ready.model.name != most_expensive:
            return ready
        return DroppedEndpoint(ready.endpoint, DropCode.BALANCE, reason)

    return plan.narrow(step)
