"""
The API of ELBv2, where moto's own is not AWS's. Every public method here is an action of the API.

What stands in `ELBV2Response` and not here is moto's and was found to be right enough. The balancer that
really serves is asked for target health; the gate before this hands it every change after the action.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, ClassVar, Final

from moto.core.responses import ActionResult, EmptyResult
from moto.elbv2.models import FakeAction
from moto.elbv2.responses import ELBV2Response

from crossfade.twin.balancer.model import TargetHealth
from crossfade.twin.elbv2 import attributes, state, targets
from crossfade.twin.elbv2.checks import settled
from crossfade.twin.elbv2.conditions import settled_conditions
from crossfade.twin.elbv2.refused import invalid, not_modelled, refuse

view: ContextVar[Any] = ContextVar("view", default=None)
"""A picture that a stale Describe looks at, instead of the state."""

_MOST_TAGGED: Final = 20


def _no_health(arn: str) -> tuple[TargetHealth, ...]:
    del arn
    return ()


class Mended(ELBV2Response):
    """Moto's responses with AWS's answers."""

    health: ClassVar[Callable[[str], Sequence[TargetHealth]]] = staticmethod(_no_health)
    """Of a target group, by its ARN; set by who owns the balancer."""

    @property
    def elbv2_backend(self) -> Any:
        return view.get() or super().elbv2_backend

    # load balancers

    def create_load_balancer(self) -> Any:
        params = self._get_params()
        kind = params.get("Type", "application")
        if kind != "application":
            not_modelled(f"a load balancer of type {kind}")
        params.setdefault("Scheme", "internet-facing")
        same = [one for one in self.elbv2_backend.load_balancers.values() if one.name == params.get("Name")]
        if not same:
            made: Any = super().create_load_balancer()
            for one in made.result["LoadBalancers"]:
                one.attrs = attributes.defaults(attributes.BALANCER)
                one.dns_name = "127.0.0.1"  # a name under amazonaws.com might be somebody's
            return made
        subnets = {*params.get("Subnets", ()), *(one["SubnetId"] for one in params.get("SubnetMappings", ()))}
        asked = (params["Scheme"], subnets, set(params.get("SecurityGroups", ())))
        has = (same[0].scheme, {one.id for one in same[0].subnets}, set(same[0].security_groups))
        if asked != has:
            refuse("DuplicateLoadBalancerName", "A load balancer of this name has other settings")
        return ActionResult({"LoadBalancers": same})

    def describe_load_balancers(self) -> Any:
        arns, names = self._get_param("LoadBalancerArns", []), self._get_param("Names", [])
        for one in self.elbv2_backend.load_balancers.values():
            one.activate()
        every = list(self.elbv2_backend.load_balancers.values())
        found = [one for one in every if one.arn in arns or one.name in names] if arns or names else every
        missing = {*arns, *names} - {one.arn for one in found} - {one.name for one in found}
        if missing:
            refuse("LoadBalancerNotFound", f"Load balancers '{sorted(missing)}' not found")
        return self._paged("LoadBalancers", found)

    def delete_load_balancer(self) -> Any:
        arn = self._get_param("LoadBalancerArn")
        found = self.elbv2_backend.load_balancers.get(arn)
        if found is not None and found.attrs.get("deletion_protection.enabled") == "true":
            refuse(
                "OperationNotPermitted",
                f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
            )
        return super().delete_load_balancer()

    def modify_load_balancer_attributes(self) -> Any:
        found = state.balancer(self.elbv2_backend, self._get_param("LoadBalancerArn"))
        given = {one["Key"]: str(one.get("Value", "")) for one in self._get_param("Attributes", [])}
        attributes.prove(attributes.BALANCER, given, found.attrs)
        found.attrs = {**found.attrs, **given}
        return ActionResult({"Attributes": found.attrs})

    # listeners

    def create_listener(self) -> Any:
        params = self._get_params()
        owner = state.balancer(self.elbv2_backend, params["LoadBalancerArn"])
        params["DefaultActions"] = self._settled(params.get("DefaultActions", []), owner.arn)
        same = [one for one in owner.listeners.values() if one.port == params.get("Port")]
        if not same:
            return super().create_listener()
        actions = [action.data for action in same[0].default_actions]
        if (same[0].protocol, actions) != (params.get("Protocol"), params["DefaultActions"]):
            refuse("DuplicateListener", "A listener already exists on this port for this load balancer")
        return ActionResult({"Listeners": same})

    def modify_listener(self) -> Any:
        params = self._get_params()
        found = state.listener(self.elbv2_backend, params["ListenerArn"])
        owner = state.balancer(self.elbv2_backend, found.load_balancer_arn)
        port = params.get("Port")
        if any(one.port == port and one is not found for one in owner.listeners.values()):
            refuse("DuplicateListener", "A listener already exists on this port for this load balancer")
        if params.get("DefaultActions"):
            params["DefaultActions"] = self._settled(params["DefaultActions"], owner.arn)
        return super().modify_listener()

    def describe_listeners(self) -> Any:
        owner, arns = self._get_param("LoadBalancerArn"), self._get_param("ListenerArns", [])
        if owner and not arns:
            found = list(state.balancer(self.elbv2_backend, owner).listeners.values())
        elif arns:
            found = [state.listener(self.elbv2_backend, arn) for arn in dict.fromkeys(arns)]
        else:
            invalid("You must specify either listener ARNs or a load balancer ARN")
        return self._paged("Listeners", found)

    # rules

    def create_rule(self) -> Any:
        params = self._get_params()
        owner = state.listener(self.elbv2_backend, params["ListenerArn"])
        _prove_priority(params.get("Priority"))
        _refuse_transforms(params)
        conditions = settled_conditions(params.get("Conditions", []))
        params["Actions"] = self._settled(params.get("Actions", []), owner.load_balancer_arn)
        made: Any = super().create_rule()
        for one in made.result["Rules"]:
            one.conditions = conditions
        return made

    def modify_rule(self) -> Any:
        params = self._get_params()
        found, owner = state.rule(self.elbv2_backend, params["RuleArn"])
        _refuse_transforms(params)
        if found.is_default:
            refuse("OperationNotPermitted", f"Default rule '{found.arn}' cannot be modified")
        conditions, actions = params.get("Conditions", []), params.get("Actions", [])
        if not conditions and not actions:
            invalid("Either conditions or actions must be specified")
        if conditions:
            given, conditions = conditions, settled_conditions(conditions)
            self.elbv2_backend._validate_conditions(given)  # noqa: SLF001  # moto's checks of each value
        settled_actions = self._settled(actions, owner.load_balancer_arn) if actions else []
        if conditions:
            found.conditions = conditions
        if settled_actions:
            found.actions = [FakeAction(one) for one in settled_actions]
        return ActionResult({"Rules": [found]})

    def delete_rule(self) -> Any:
        found, owner = state.rule(self.elbv2_backend, self._get_param("RuleArn"))
        if found.is_default:
            refuse("OperationNotPermitted", f"Default rule '{found.arn}' cannot be deleted")
        owner.remove_rule(found.arn)
        return EmptyResult()

    def describe_rules(self) -> Any:
        listener, arns = self._get_param("ListenerArn"), self._get_param("RuleArns")
        if listener and arns:
            invalid("Listener rule ARNs and a listener ARN cannot be specified at the same time")
        if listener:
            found = state.rules_of(state.listener(self.elbv2_backend, listener))
        elif arns:
            found = [state.rule(self.elbv2_backend, arn)[0] for arn in dict.fromkeys(arns)]
        else:
            invalid("You must specify either listener rule ARNs or a listener ARN")
        return self._paged("Rules", found)

    def set_rule_priorities(self) -> Any:
        asked = self._get_param("RulePriorities", [])
        wanted = {one["RuleArn"]: int(one["Priority"]) for one in asked}
        for priority in wanted.values():
            _prove_priority(priority)
            if sum(one["Priority"] == priority for one in asked) > 1:
                invalid(f"Priority '{priority}' was provided multiple times")
        found = [state.rule(self.elbv2_backend, arn) for arn in wanted]
        if any(rule.is_default for rule, _ in found):
            refuse("OperationNotPermitted", "The priority of the default rule cannot be set")
        for owner in {id(listener): listener for _, listener in found}.values():
            others = {rule.priority for rule in owner.rules.values() if rule.arn not in wanted}
            if others & {wanted[rule.arn] for rule, listener in found if listener is owner}:
                refuse("PriorityInUse", "The specified priority is in use")
        for rule, _ in found:
            rule.priority = wanted[rule.arn]
        return ActionResult({"Rules": [rule for rule, _ in found]})

    # target groups and targets

    def create_target_group(self) -> Any:
        params = self._get_params()
        targets.prove_group(params)
        same = [one for one in self.elbv2_backend.target_groups.values() if one.name == params.get("Name")]
        if same:
            if not targets.same_settings(same[0], params):
                refuse("DuplicateTargetGroupName", "A target group of this name has other settings")
            return ActionResult({"TargetGroups": same})
        made: Any = super().create_target_group()
        for one in made.result["TargetGroups"]:
            one.attributes = attributes.defaults(attributes.GROUP)
            one.health_check_enabled = params.get("HealthCheckEnabled", True)
        return made

    def modify_target_group(self) -> Any:
        params = self._get_params()
        found = state.group(self.elbv2_backend, params["TargetGroupArn"])
        targets.prove_health_check(params, found)
        return super().modify_target_group()

    def describe_target_groups(self) -> Any:
        owner, arns = self._get_param("LoadBalancerArn"), self._get_param("TargetGroupArns", [])
        names = self._get_param("Names", [])
        if sum(map(bool, (owner, arns, names))) > 1:
            invalid(
                "Target group names, target group ARNs, and a load balancer ARN cannot be specified at the "
                "same time"
            )
        users = state.users_of(self.elbv2_backend)
        every = sorted(self.elbv2_backend.target_groups.values(), key=lambda one: one.name)
        if owner:
            state.balancer(self.elbv2_backend, owner)
            every = [one for one in every if users.get(one.arn) == owner]
        elif arns or names:
            every = [one for one in every if one.arn in arns or one.name in names]
            if {*arns, *names} - {one.arn for one in every} - {one.name for one in every}:
                refuse("TargetGroupNotFound", "One or more target groups not found")
        for one in every:
            one.load_balancer_arns = [users[one.arn]] if one.arn in users else []
        return self._paged("TargetGroups", every)

    def delete_target_group(self) -> Any:
        arn = self._get_param("TargetGroupArn")
        if arn in state.users_of(self.elbv2_backend):
            refuse("ResourceInUse", f"Target group '{arn}' is currently in use by a listener or a rule")
        self.elbv2_backend.target_groups.pop(arn, None)  # AWS succeeds for an unknown one
        return EmptyResult()

    def modify_target_group_attributes(self) -> Any:
        found = state.group(self.elbv2_backend, self._get_param("TargetGroupArn"))
        given = {one["Key"]: str(one.get("Value", "")) for one in self._get_param("Attributes", [])}
        attributes.prove(attributes.GROUP, given, found.attributes)
        found.attributes = {**found.attributes, **given}
        return ActionResult({"Attributes": found.attributes})

    def register_targets(self) -> Any:
        found = state.group(self.elbv2_backend, self._get_param("TargetGroupArn"))
        targets.register(found, self._get_param("Targets", []))
        return EmptyResult()

    def deregister_targets(self) -> Any:
        found = state.group(self.elbv2_backend, self._get_param("TargetGroupArn"))
        targets.deregister(found, self._get_param("Targets", []))
        return EmptyResult()

    def describe_target_health(self) -> Any:
        found = state.group(self.elbv2_backend, self._get_param("TargetGroupArn"))
        asked = self._get_param("Targets", [])
        rows = targets.described(found, asked, type(self).health(found.arn))
        return ActionResult({"TargetHealthDescriptions": rows})

    # tags

    def add_tags(self) -> Any:
        self._prove_tagged()
        keys = [one["Key"] for one in self._get_param("Tags", [])]
        if len(set(keys)) < len(keys):
            refuse("DuplicateTagKeys", "A tag key was specified more than once")
        backend = self.elbv2_backend
        for arn in self._get_param("ResourceArns", []):
            has = backend.tagging_service.get_tag_dict_for_resource(arn)
            if len({*has, *keys}) > 50:
                refuse("TooManyTags", "A resource has at most 50 tags")
            backend.tagging_service.tag_resource(arn, self._get_param("Tags", []))
        return EmptyResult()

    def remove_tags(self) -> Any:
        self._prove_tagged()
        for arn in self._get_param("ResourceArns", []):
            self.elbv2_backend.tagging_service.untag_resource_using_names(arn, self._get_param("TagKeys", []))
        return EmptyResult()

    def describe_tags(self) -> Any:
        self._prove_tagged()
        return super().describe_tags()

    def _prove_tagged(self) -> None:
        arns = self._get_param("ResourceArns", [])
        if len(arns) > _MOST_TAGGED:
            invalid(f"At most {_MOST_TAGGED} resources can be named at once")
        for arn in arns:
            state.tagged(self.elbv2_backend, arn)

    def _settled(self, actions: Sequence[Mapping[str, Any]], owner: str) -> list[dict[str, Any]]:
        return settled(actions, state.known_groups(self.elbv2_backend), owner)

    def _paged(self, name: str, items: Sequence[Any]) -> Any:
        some, marker = state.page(items, self._get_param("Marker"), self._get_int_param("PageSize"))
        return ActionResult({name: some, "NextMarker": marker})


def _prove_priority(priority: Any) -> None:
    if not isinstance(priority, int) or not 1 <= priority <= 50_000:
        invalid(f"The priority '{priority}' must be between 1 and 50000")


def _refuse_transforms(params: Mapping[str, Any]) -> None:
    if params.get("Transforms"):
        not_modelled("transforms of a rule")
