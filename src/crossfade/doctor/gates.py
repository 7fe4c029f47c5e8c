"""The gates before any release: an alarm that fires, or cannot be read, refuses every one (R18)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from crossfade.aws import Door, Where
from crossfade.doctor.check import Check, State, failed, ok
from crossfade.errors import RefusedError
from crossfade.release.values import Say
from crossfade.signals.alarms import Alarms, Ref
from crossfade.signals.named_alarms import NamedAlarms
from crossfade.spec import AlarmsGate, Mode, NoGates, Spec


def gates(spec: Spec) -> Iterator[Check]:
    """What is in force, and each gate of alarms as it is now."""
    if isinstance(spec.gates, NoGates):
        yield Check(
            name="gates", state=State.WARN, said="none is in force", id="CF3026",
            why=f"gates: none, since {spec.gates.reason}", fix="remove `none`: the defaults need no settings",
        )  # fmt: skip
        return
    yield ok("gates", ", ".join(gate.name for gate in spec.gates))
    alarms = Alarms(named=_named(spec))
    for gate in spec.gates:
        if isinstance(gate, AlarmsGate):
            yield _asked(gate, alarms)


def _asked(gate: AlarmsGate, alarms: Alarms) -> Check:
    refs: list[Ref] = [*gate.urls, *({"name": name} for name in gate.names)]
    said = alarms.gate(refs, datetime.now(UTC))
    name = f"gate {gate.name}"
    if said.say is Say.PASS:
        return ok(name, said.text)
    why = "it would be so before the release has begun (R18)"
    error = RefusedError("CF3018", said.text, why, "mend it; or --despite GATE --reason TEXT")
    return failed(name, error, State.FAIL if gate.mode is Mode.STOP else State.WARN)


def _named(spec: Spec) -> NamedAlarms | None:
    """Who is asked for alarms of CloudWatch; None where no account is named."""
    aws = spec.aws
    if aws is None:
        return None
    return NamedAlarms(
        Door(Where(account=aws.account, region=aws.region, endpoint=aws.endpoint, role=aws.role))
    )
