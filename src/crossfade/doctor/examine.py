"""The examination of one service: which looks there are, and in which order. What fails hides no other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from crossfade.aws import Door, Where
from crossfade.doctor import here
from crossfade.doctor.check import Check, Look, State, examined, failed, ok
from crossfade.engine.judging import source_of
from crossfade.errors import RefusedError
from crossfade.platforms.local import LocalPlatform as LocalAdapter
from crossfade.release.values import Say
from crossfade.signals.alarms import Alarms, Ref
from crossfade.signals.named_alarms import NamedAlarms
from crossfade.signals.reach import reach
from crossfade.spec import Mode, Spec
from crossfade.spec.aws_models import AlbPlatform
from crossfade.spec.models import AlarmsGate, LocalPlatform, NoGates


def examine(spec: Spec) -> Iterator[Check]:
    """Every check that this service has."""
    match spec.platform:
        case LocalPlatform() as local:
            yield from _local(spec, local)
        case AlbPlatform() as alb:
            from crossfade.doctor.on_aws import on_aws  # noqa: PLC0415  # boto3 is an extra

            yield from on_aws(spec, alb)
            yield from examined([("gates", lambda: gates(spec))])


def _local(spec: Spec, local: LocalPlatform) -> Iterator[Check]:
    folder = spec.state if isinstance(spec.state, Path) else spec.folder / ".crossfade"
    looks: list[tuple[str, Look]] = [
        ("envoy", here.envoy),
        ("command", lambda: _command(spec, local, folder)),
        ("platform", lambda: here.platform(local, folder)),
        ("state", lambda: here.state(folder)),
        ("gates", lambda: gates(spec)),
    ]
    yield from examined(looks)


def _command(spec: Spec, local: LocalPlatform, folder: Path) -> Iterator[Check]:
    """As a release would resolve it."""
    LocalAdapter(folder).prepare(spec, "doctor")
    yield ok("command", local.command)


def gates(spec: Spec) -> Iterator[Check]:
    """Alarms of the gates, asked now: one that fires refuses every release (R18)."""
    if isinstance(spec.gates, NoGates):
        yield Check(
            name="gates", state=State.WARN, said="none is in force", id="CF3026",
            why=f"gates: none, since {spec.gates.reason}", fix="remove `none`: the defaults need no settings",
        )  # fmt: skip
        return
    named = ", ".join(gate.name for gate in spec.gates)
    yield ok("gates", named)
    yield from _reach(spec)
    alarms = Alarms(named=_named(spec))
    for gate in spec.gates:
        if isinstance(gate, AlarmsGate):
            refs: list[Ref] = [*gate.urls, *({"name": name} for name in gate.names)]
            said = alarms.gate(refs, datetime.now(UTC))
            if said.say is Say.PASS:
                yield ok(f"gate {gate.name}", said.text)
            else:
                yield failed(
                    f"gate {gate.name}",
                    RefusedError(
                        "CF3018",
                        said.text,
                        "it would be so before the release has begun (R18)",
                        "mend it; or --despite GATE --reason TEXT",
                    ),
                    State.FAIL if gate.mode is Mode.STOP else State.WARN,
                )


def _reach(spec: Spec) -> Iterator[Check]:
    """How soon what counts requests can stop a bad release."""
    found = reach(source_of(spec.signals))
    if found.within_minutes:
        yield ok("signals", found.text)
        return
    yield Check(
        name="signals", state=State.WARN, said=found.text, id="CF4405",
        why="a fault that is seen minutes late is met by minutes of users", fix=found.advice,
    )  # fmt: skip


def _named(spec: Spec) -> NamedAlarms | None:
    if spec.aws is None:
        return None
    return NamedAlarms(
        Door(Where(account=spec.aws.account, region=spec.aws.region, endpoint=spec.aws.endpoint))
    )
