"""
What a release on `alb` asks before there is a plan: whose groups these are, who serves, which targets.

The first release adopts what it finds: where the rules send everything to one group that has targets,
that is stable, under a name made of its targets, and there is a way back to it from the first step on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from crossfade.errors import CrossfadeError, PlatformError, UsageError
from crossfade.platforms.alb import actions as routes
from crossfade.platforms.alb.glass import commands
from crossfade.platforms.alb.line import Line
from crossfade.platforms.alb.model import (
    BLUE,
    COLOURS,
    Actions,
    Listed,
    Registered,
    Route,
    Site,
    Tag,
    artifact_of,
    other,
    sides_of,
)
from crossfade.platforms.alb.patient import Patient
from crossfade.platforms.alb.preflight import objections, read
from crossfade.platforms.alb.scene import staying
from crossfade.platforms.alb.tags import MOST, SERVICE, Ledger, ledger, tagged
from crossfade.platforms.alb.targets import found_as, identity, resolve
from crossfade.platforms.alb.ways import Way, way_in
from crossfade.platforms.capabilities import Capabilities
from crossfade.release.plan import Plan
from crossfade.release.policy import Objection
from crossfade.release.ports import Revision
from crossfade.release.values import ALL, NOTHING
from crossfade.spec import AlbPlatform as AlbSettings
from crossfade.spec import Spec

IDENTITY_LETTERS = 65
"""Of a build's tag that the identity takes."""


class AlbGround:
    """Implements the port `Ground` for one site."""

    def __init__(self, site: Site, line: Line, sleep: Callable[[float], None]) -> None:
        self.site = site
        self._asked = Patient(line, sleep)

    def _site_of(self, service: str) -> Site:
        """Raises `LookupError` for another service than this site's: wiring's mistake."""
        if service != self.site.service:
            raise LookupError(f"{service} is not at this site")
        return self.site

    def place(self) -> str:
        """Who writes where, proved and in one line, for a person to read before the first write (R47)."""
        who, where = self._asked.prove(), self.site.where
        at = f"the twin at {where.endpoint}" if where.endpoint is not None else "AWS"
        return f"account {who.account}, {where.region}, {at}, as {who.arn}"

    def settle_in(self, spec: Spec) -> None:
        """
        The groups marked as this service's, and both of them named by the test route.

        Raises `AccessError` where the account is another (R47), `PlatformError` CF4424 where a group is
        another service's or the test route does not forward to ours.
        """
        site = self._site_of(spec.service)
        self._asked.prove()
        tags, now = self._asked.tags(site), self._asked.routes(site.routes)
        book = ledger(tags)
        for colour, name in book.services.items():
            if name != site.service:
                raise PlatformError(
                    "CF4424",
                    f"{site.groups[colour]} is a target group of {name}",
                    f"its tag {SERVICE} says so; {site.service} needs groups of its own",
                    "name other groups, or remove the tag if that service is gone",
                )
        wanted = self._both_named(now, book)
        for colour in COLOURS:
            if colour not in book.services:
                self._asked.do(site, Tag(colour=colour, tags=((SERVICE, site.service),)))
        if wanted is not None:
            self._asked.do(site, wanted)

    def _both_named(self, read: Mapping[str, Actions | None], book: Ledger) -> Route | None:
        """The test route, where it does not name both: what no route names is not checked for health."""
        site, pair = self.site, (self.site.groups[BLUE], self.site.groups[other(BLUE)])
        actions = read.get(site.test)
        if actions is None or not routes.names_only(actions, pair):
            said = "it is not there" if actions is None else "it answers by itself, or names a third group"
            raise PlatformError(
                "CF4424",
                f"the test route of {site.service} does not forward to its two groups alone",
                said,
                f"make {site.test} forward to {pair[0]}",
            )
        if set(routes.forwards(actions) or ()) == set(pair):
            return None
        serving = serves(site, read, book) or BLUE
        made = routes.pointed(actions, to=site.groups[serving], beside=site.groups[other(serving)])
        return Route(arn=site.test, actions=made)

    def serving(self, service: str) -> Revision | None:
        """
        The revision the platform trusts, else what everything is sent to now; None where that is nobody.

        Raises `PlatformError` where it cannot be read.
        """
        site = self._site_of(service)
        now, book = self._asked.routes(site.rules), ledger(self._asked.tags(site))
        colour = serves(site, now, book)
        if colour is None:
            return None
        there = staying(self._asked.targets(site.groups[colour]))
        if not there:
            return None
        build, addresses = book.builds.get(colour), [one.address for one in there]
        return Revision(
            text=build.revision if build is not None else found_as(addresses),
            identity=build.identity if build is not None else identity(addresses),
            artifact={
                "group": colour,
                "targets": [str(Listed(address=one.address, zone=_said_zone(one))) for one in there],
                "instances": len(there),
            },
            instances=len(there),
        )

    def prepare(self, spec: Spec, text: str) -> Revision:
        """
        The targets that this text lists now, under the hash of their addresses (R35).

        Raises `UsageError`: CF4421, CF4422 for a list that is none; CF4423 for a name too long for a tag.
        """
        if not isinstance(spec.platform, AlbSettings):
            raise TypeError(f"{spec.service} is not behind a load balancer")
        if len(tagged(text)) > MOST - IDENTITY_LETTERS:
            raise UsageError(
                "CF4423",
                f"the revision {text[:40]!r}... has too long a name",
                "it is kept in a tag of the target group, which holds 256 letters",
                "give it a shorter one",
            )
        found = resolve(spec.platform.targets, text, spec.folder)
        self._prove_reachable(found)
        now, book = self._asked.routes(self.site.rules), ledger(self._asked.tags(self.site))
        serving = serves(self.site, now, book) or BLUE
        self._prove_apart(found, serving, text)
        return Revision(
            text=text,
            identity=identity(one.address for one in found),
            artifact={
                "platform": "alb",
                "site": self.site.document(),
                "group": other(serving),
                "targets": [str(one) for one in found],
                "instances": len(found),
                "health": spec.platform.health,
            },
            instances=len(found),
        )

    def _prove_reachable(self, found: Sequence[Listed]) -> None:
        if self.site.where.endpoint is not None:
            return
        here = [str(one) for one in found if one.address.ip.startswith("127.") or one.address.ip == "::1"]
        if here:
            raise UsageError(
                "CF4422",
                f"{here[0]} is no target of a load balancer on AWS",
                "it is an address of this machine",
                "list the addresses that the load balancer reaches, or set aws.endpoint to a twin's",
            )

    def _prove_apart(self, found: Sequence[Listed], serving: str, text: str) -> None:
        """An address that serves on both sides would be two versions at once."""
        there = {one.address for one in staying(self._asked.targets(self.site.groups[serving]))}
        mine = {one.address for one in found}
        both = sorted(there & mine)
        if both and there != mine:
            raise UsageError(
                "CF4425",
                f"{both[0]} of {text} serves already",
                f"it is registered in the {serving} group, whose version would lose it at retirement",
                "give each revision targets of its own",
            )

    def preflight(self, spec: Spec) -> tuple[Objection, ...]:
        """Why a release of this service could not be made here, found without touching anything."""
        return objections(self.site, read(self._asked, self.site), spec.strategy)

    def way_in(self) -> Way:
        """Where the candidate alone answers while its test route is open."""
        return way_in(self._asked, self.site, self.site.test)

    def front(self) -> Way:
        """Where users come in."""
        return way_in(self._asked, self.site, self.site.rules[0])

    def break_glass(self, plan: Plan) -> str:
        """The raw commands that send everybody to stable without us; empty without a stable (R46)."""
        if plan.stable is None:
            return ""
        who = sides_of(plan)
        candidate, stable = self.site.groups[who.candidate], self.site.groups[who.stable]
        now = self._asked.routes(self.site.rules)
        back = {
            rule: routes.weighted(actions, candidate=candidate, stable=stable, weight=NOTHING)
            for rule, actions in now.items()
            if actions is not None and routes.names_only(actions, (candidate, stable))
        }
        return commands(self.site.where, back)

    def left(self, past: Sequence[Plan]) -> Mapping[str, object]:
        """What earlier releases have listed as candidates: what of it is still there may be cleared (R13)."""
        lists = (artifact_of(plan, "candidate").get("targets", ()) for plan in past)
        return {"targets": sorted({text for listed in lists for text in listed})}

    def capabilities(self) -> Capabilities:
        """Any weight; no compare-and-set, no dead man: a controller that dies leaves the weight as it is."""
        return Capabilities(cas=False, gone="deregistered", again="registered")


def serves(site: Site, read: Mapping[str, Actions | None], book: Ledger) -> str | None:
    """The colour that is trusted: by its tag, else the one that every rule sends everything to."""
    return book.primary or pointed_at(site, read)


def pointed_at(site: Site, read: Mapping[str, Actions | None]) -> str | None:
    """The colour that every production rule sends everything to; None where they differ."""
    for colour, arn in site.groups.items():
        if all(
            (actions := read.get(rule)) is not None and routes.share(actions, arn).at(ALL)
            for rule in site.rules
        ):
            return colour
    return None


def _said_zone(target: Registered) -> str:
    """Only what has to be said again at registration: AWS knows the zones of its own addresses."""
    return "all" if target.zone == "all" else ""


def said(error: Exception) -> str:
    """An error in a line."""
    if isinstance(error, CrossfadeError):
        return f"{error.what}: {error.why}" if error.why else error.what
    return f"{type(error).__name__}: {error}"
