"""
Processes on this machine behind our own Envoy, as a platform.

`LocalPlatform` reads (`local_facts.py`), writes whole documents by compare-and-set
(`local_writes.py`), and remembers nothing but an open line to the supervisor of its folder.
`local_counts.py` reads what clients got, for `crossfade.signals`.

ONE MACHINE. LOOPBACK ONLY. The way back takes milliseconds while the old side lives.
"""

from __future__ import annotations

import contextlib
import hashlib
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final, Protocol, TypeVar

from crossfade.dataplane import (
    Applied,
    Conflict,
    Counted,
    Fault,
    Observed,
    Rule,
    Service,
    Silent,
    UnknownService,
    connect,
    ensure_supervisor,
    meant_down,
)
from crossfade.dataplane.envoy import find_envoy
from crossfade.dataplane.routes import SIDE_HEADER
from crossfade.dataplane.store import SPARE_BYTES, SPARES, Store
from crossfade.dataplane.weights import send_everybody
from crossfade.errors import CrossfadeError, PlatformError, RefusedError, UsageError
from crossfade.platforms.capabilities import Capabilities
from crossfade.platforms.local_facts import absent, facts, look_back, sides
from crossfade.platforms.local_fence import Fence, LocalLook, strays
from crossfade.platforms.local_writes import after, artifact_of, home, settings_of
from crossfade.platforms.shares import blind
from crossfade.release.plan import Plan
from crossfade.release.policy import Objection
from crossfade.release.ports import Revision
from crossfade.release.values import (
    Effect,
    EnsureWeight,
    GoHome,
    Known,
    RunHook,
    Seat,
    Side,
    Unknown,
)
from crossfade.spec import Spec

TRIES: Final = 5
"""How often going home, or another write that nobody fences, is tried against other writers."""

T = TypeVar("T")


class Dataplane(Protocol):
    """What is used of `crossfade.dataplane.Client`."""

    def observe(self, name: str) -> Observed: ...
    def apply(self, service: Service, expect_generation: int) -> Applied: ...
    def counts(self, name: str, since: float) -> Counted: ...


class LocalPlatform:
    """Implements the ports `Platform` and `Ground`. It holds nothing that changes but its open line."""

    aside: Mapping[str, str] = {SIDE_HEADER: "stable"}  # never changed
    """Headers by which a request on the test route reaches stable instead of the candidate."""

    def __init__(
        self,
        folder: Path | str,
        *,
        line: Callable[[], Dataplane] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.folder = Path(folder).resolve()
        self._line = line or (lambda: _line_to(self.folder))
        self._start = (lambda: None) if line else (lambda: ensure_supervisor(self.folder))
        self._open: Dataplane | None = None
        self._now = now

    # --- facts -----------------------------------------------------------------------------

    def observe(self, plan: Plan) -> LocalLook:
        """All facts of one look, and its fence. Never raises (R06)."""
        try:
            observed = self.seen(plan.service)
            counted = self.counted(plan.service, look_back(observed.service, self._now()))
            truth = facts(plan, observed, counted)
        except UnknownService:
            nothing = Service(name=plan.service)
            return LocalLook(
                truth=absent(plan), fence=Fence(generation=0, service=nothing, seat=Known(Seat(holder=None)))
            )
        except Exception as error:  # noqa: BLE001  # the port promises facts, whatever happens
            return LocalLook(truth=blind(_said(error)), fence=None)
        fence = Fence(
            generation=observed.generation,
            service=observed.service,
            seat=truth.seat,
            strays=strays(observed),
        )
        return LocalLook(truth=truth, fence=fence)

    def seen(self, service: str) -> Observed:
        """The data plane's own words. Raises `PlatformError`."""
        return self._ask(lambda client: client.observe(service))

    def counted(self, service: str, since: float) -> Counted:
        """What clients got since this epoch. Raises `PlatformError`."""
        return self._ask(lambda client: client.counts(service, since))

    # --- writes ----------------------------------------------------------------------------

    def perform(self, plan: Plan, effect: Effect, fence: object) -> None:
        """One write. Raises `PlatformError`: not written (another hand was faster), or not yet in force."""
        match effect:
            case GoHome():
                self._go_home(plan)
            case RunHook(key=key):
                raise PlatformError("CF4204", f"hook {key} is not the platform's to run")
            case _:
                if not isinstance(fence, Fence):
                    raise PlatformError(
                        "CF4203",
                        f"nothing was written to {plan.service}",
                        "it could not be read, so nobody knows what the write would meet",
                        "crossfade local status",
                    )
                wanted = after(plan, fence.service, fence.seat, effect, self._now())
                self._write(fence, wanted, again=isinstance(effect, EnsureWeight) and fence.strays)

    def _write(self, fence: Fence, wanted: Service, *, again: bool = False) -> None:
        """`again`: also where the document says so already; the data plane then mends what strays from it."""
        if wanted == fence.service and not again:
            return
        fence.generation, fence.service = self._apply(wanted, fence.generation), wanted

    def _apply(self, wanted: Service, generation: int) -> int:
        applied = self._ask(lambda client: client.apply(wanted, generation))
        if not applied.applied:
            raise PlatformError(
                "CF4205",
                f"Envoy does not run with the new document of {wanted.name} yet",
                applied.reason,
                f"look at {self.folder}/logs/envoy.log",
            )
        return applied.generation

    def _go_home(self, plan: Plan) -> None:
        """Blind: reads the generation itself; without a supervisor it writes Envoy's routes itself."""
        for left in reversed(range(TRIES)):
            generation, service = self._document(plan.service)
            wanted = home(plan, service, self._now())
            if wanted == service and not sides(service, plan.release).ours:
                return
            fence = Fence(generation=generation, service=service, seat=Unknown("blind"))
            try:
                self._write(fence, wanted, again=True)  # the document may be home, and Envoy not
            except Silent:
                if plan.stable is None:
                    raise
                send_everybody(self.folder, plan.service, sides(service, plan.release).stable)
                return
            except Conflict:
                if not left:
                    raise
            else:
                return

    def _change(self, name: str, change: Callable[[Service], Service]) -> None:
        """A write outside any release, repeated against other writers."""
        for left in reversed(range(TRIES)):
            generation, service = self._document(name)
            try:
                self._write(Fence(generation=generation, service=service, seat=Unknown("")), change(service))
            except Conflict:
                if not left:
                    raise
            else:
                return

    # --- before a release ------------------------------------------------------------------

    def settle_in(self, spec: Spec) -> None:
        """
        The service with its listeners, created or moved to the ports that the spec names.

        Raises `PlatformError`: CF4101 names who listens there already; `RefusedError` CF5002
        where the disk has no room for the way back of a release.
        """
        try:
            Store(self.folder).lay_in()
        except OSError as error:
            raise RefusedError(
                "CF5002",
                f"{self.folder} cannot be written",
                f"{error.strerror or error}; a release takes room for its way back before it begins",
                f"free {SPARES * SPARE_BYTES // 1024 + 512} KiB, or set `state:` to another folder",
            ) from error
        self._start()
        live, test = (platform := settings_of(spec)).port, platform.test_port
        rules = tuple(Rule(host=rule.host, path=rule.path) for rule in platform.rules)
        if spec.service not in Store(self.folder).services():
            # Of two that are the first, one gets a conflict, and then finds the service.
            with contextlib.suppress(Conflict):
                self._apply(Service(name=spec.service, listener_port=live, test_port=test, rules=rules), 0)
                return
        self._change(
            spec.service,
            lambda service: replace(
                service,
                listener_port=live or service.listener_port,
                test_port=test or service.test_port,
                rules=rules,
            ),
        )

    def serving(self, service: str) -> Revision | None:
        """The revision the platform trusts, from the document, so also without a supervisor."""
        found = Store(self.folder).services().get(service)
        primary = found[1].tags.get("primary") if found else None
        group = found[1].groups.get(primary) if found and primary else None
        if found is None or primary is None or group is None:
            return None
        return Revision(
            text=group.revision,
            identity=found[1].tags.get(f"identity.{primary}", ""),
            artifact=artifact_of(group),
            instances=group.instances,
        )

    def prepare(self, spec: Spec, text: str) -> Revision:
        """
        The command with `{revision}` filled in, under the hash of its words and of the files they name (R35).

        Raises `UsageError` for a command that cannot be split or whose program is nowhere.
        """
        platform, preview = settings_of(spec), spec.strategy.preview
        try:
            words = [word.replace("{revision}", text) for word in shlex.split(platform.command)]
        except ValueError as error:
            words, why = [], str(error)
        else:
            why = "it is empty" if not words else ""
        program = words[0] if words else ""
        local = spec.folder / program
        if words and not (local.is_file() if "/" in program else shutil.which(program)):
            why = f"{program} is not a file in {spec.folder} nor a program in PATH"
        if why:
            raise UsageError(
                "CF4206",
                f"the command of {spec.service} cannot run: {platform.command!r}",
                why,
                "correct platform.local.command in crossfade.yaml",
            )
        artifact: Mapping[str, object] = {
            "command": words,
            "folder": str(spec.folder),
            "instances": platform.instances,
            "health": platform.health,
            "stop_grace_s": platform.stop_grace.total_seconds(),
            "drain_s": platform.drain.total_seconds(),
            "sticky": spec.strategy.sticky,
            "preview": preview and {**asdict(preview), "kind": preview.kind.value},
        }
        known = _identity(words, spec.folder)
        return Revision(text=text, identity=known, artifact=artifact, instances=platform.instances)

    def break_glass(self, plan: Plan) -> str:
        """One shell command that sends everybody to stable without us; empty without a stable (R46)."""
        if plan.stable is None:
            return ""
        found = Store(self.folder).services().get(plan.service)
        who = sides(found[1] if found else Service(name=plan.service), plan.release)
        words = (sys.executable, "-m", "crossfade.dataplane.weights", str(self.folder))
        return shlex.join((*words, plan.service, who.stable))

    def preflight(self, spec: Spec) -> tuple[Objection, ...]:
        """What would make a release of this service impossible here, found without touching anything."""
        found: list[Objection] = []
        for check in (find_envoy, lambda: self.prepare(spec, "preflight")):
            try:
                check()
            except CrossfadeError as error:
                found.append(Objection(id=error.id, what=error.what, why=error.why, fix=error.fix))
        return tuple(found)

    def capabilities(self) -> Capabilities:
        return Capabilities()

    # --- beside a release ------------------------------------------------------------------

    def listener(self, service: str) -> str | None:
        """Where users come in, as bound; None while it is not."""
        port = self.seen(service).listener_port
        return None if port is None else f"http://127.0.0.1:{port}"

    def test_url(self, service: str) -> str | None:
        """Where the candidate alone answers while its test route is open."""
        port = self.seen(service).test_port
        return None if port is None else f"http://127.0.0.1:{port}"

    def set_fault(self, service: str, side: Side, fault: Fault | None) -> None:
        """
        A fault in front of one side as the holder of the seat sees it, or none; for drills and the demo.

        Before a release has the seat, CANDIDATE is the group that the next one will take.
        """

        def change(document: Service) -> Service:
            who = sides(document, document.tags.get("release", ""))
            if document.groups[who.candidate] is None or document.tags.get("primary") == who.candidate:
                who = sides(document, "")
            group = who.candidate if side is Side.CANDIDATE else who.stable
            kept = {name: found for name, found in document.fault.items() if name != group}
            return replace(document, fault=kept if fault is None else {**kept, group: fault})

        self._change(service, change)

    def set_mirror(self, service: str, share: float) -> None:
        """
        The share of production GET and HEAD requests that an idle candidate gets a copy of.

        It ends by itself with the candidate's first weight, or with its test route.
        """
        self._change(service, lambda document: replace(document, mirror=share))

    def document(self, service: str) -> Service:
        """The desired document, from the disk. Raises `UnknownService`."""
        return self._document(service)[1]

    def _document(self, name: str) -> tuple[int, Service]:
        services = Store(self.folder).services()
        if name not in services:
            raise UnknownService("CF4105", f"there is no service {name!r} in {self.folder}")
        return services[name]

    def _ask(self, ask: Callable[[Dataplane], T]) -> T:
        """Asks the supervisor; one that went silent is looked for again, or started, at the next question."""
        if self._open is None:
            self._open = self._line()
        try:
            return ask(self._open)
        except Silent:
            self._open = None
            raise


def _line_to(folder: Path) -> Dataplane:
    """The supervisor that is there; one that died is started again, one stopped on purpose is not."""
    found = connect(folder)
    if found is not None:
        return found
    if meant_down(folder):
        raise Silent("CF4104", f"{folder} was stopped", "by `crossfade local down`", "crossfade local up")
    return ensure_supervisor(folder)


def _identity(words: list[str], folder: Path) -> str:
    """SHA-256 over the words, and over the content of each word that is a file."""
    digest = hashlib.sha256()
    for word in words:
        digest.update(word.encode() + b"\0")
        path = folder / word  # an absolute word stays absolute
        if path.is_file():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _said(error: Exception) -> str:
    if isinstance(error, CrossfadeError):
        return f"{error.what}: {error.why}" if error.why else error.what
    return f"{type(error).__name__}: {error}"
