"""
A GitHub Actions workflow that releases one service, from its resolved spec.

What a person or `crossfade.yaml` says reaches a shell through `env:` only: the text of every
`run:` is a constant of this file. Values stand in double quotes as JSON writes them, which is
YAML too, and are refused where GitHub would read an expression in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta

from crossfade.errors import UsageError
from crossfade.render.patience import AROUND, Patience, patience
from crossfade.render.seal import sealed
from crossfade.spec import OnInterrupt, S3Place, Spec

RUNNER = "crossfade"
"""The label of the runner on the machine where the service runs."""

LABEL_LIMIT = 256
"""Characters of a runner's label."""

CHECKOUT = "actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2"
"""By its commit: a tag can be moved to other code."""

_REVISION = "${{ github.event_name == 'push' && github.ref_name || inputs.revision }}"

_INSTALL = """\
home="${XDG_DATA_HOME:-$HOME/.local/share}/crossfade/$CROSSFADE_VERSION"
if ! "$home/bin/crossfade" --version 2> /dev/null; then
  python3 -m venv "$home"
  "$home/bin/pip" install --quiet "crossfade[demo]==$CROSSFADE_VERSION"
  "$home/bin/crossfade" --version
fi
echo "$home/bin" >> "$GITHUB_PATH"
"""

_LINT = """\
crossfade lint -- "$CROSSFADE_FILE"
"""

_RELEASE = """\
# What serves outlives the job: without this the runner kills at its end whatever a job has started.
unset RUNNER_TRACKING_ID
# exec: the runner signals this process and no child of it, so this process has to be crossfade.
exec crossfade deploy --file "$CROSSFADE_FILE" --reason="$REASON" --output plain -- "${REVISION:?no revision}"
"""

_SHOW = """\
unset RUNNER_TRACKING_ID
said="$(
  crossfade status --file "$CROSSFADE_FILE" 2>&1
  echo
  crossfade explain --file "$CROSSFADE_FILE" 2>&1
)" || true
printf '%s\\n' "$said"
# Indented, all of it is code to Markdown, whatever a revision is called.
printf '\\n%s\\n' "$said" | sed 's/^/    /' >> "$GITHUB_STEP_SUMMARY"
"""

_TEMPLATE = """\
#
# Releases one service as crossfade.yaml says. Exit codes of the step "Release":
#     0  succeeded, or this revision serves already
#     2  the command or crossfade.yaml is wrong; nothing was started
#     4  the release was bad (a gate, late, lost): stable serves. Mend the revision, do not re-run the job
#     5  stopped by a person or by cancelling this job: all traffic is back on stable
#     6  stuck: not proved that exactly one version serves. Page somebody; `crossfade status`
#     7  waits for a person. A deploy waits along, so `watch --until` says this: `crossfade approve`, `resume`
#     8  another release holds the service, or a newer one has superseded this one
#    11  refused before anything moved: what it says has to be mended first
#   130  nobody follows it here any more: `crossfade watch`, or `crossfade resume`
name: {name}
run-name: {run_name}

on:
  workflow_dispatch:
    inputs:
      revision:
        description: "Revision to release"
        required: true
        type: string
      reason:
        description: "Why; kept in the journal"
        required: false
        type: string
  # Where a version tag shall release itself:
  # push:
  #   tags: ["v*"]

# One run at a time. A newer one waits and cancels nothing; of several that wait, GitHub keeps the newest.
concurrency:
  group: {group}
  cancel-in-progress: false

permissions:
  contents: read

defaults:
  run:
    shell: bash

jobs:
  release:
    # `platform: local`: the service, its traffic and its journal are on one machine, so the job runs there,
    # on a self-hosted runner with this label (Linux; python3 >= 3.11 with venv). A second machine under the
    # same label would be a second service.
    runs-on: [self-hosted, {runner}]
{patience}
    timeout-minutes: {minutes}
    # environment: production  # where GitHub shall ask a reviewer before anything starts
    env:
      CROSSFADE_FILE: {file}
      CROSSFADE_VERSION: {version}
    steps:
      - name: Check out
        uses: {checkout}
        with:
{sweep}
          clean: false
          persist-credentials: false

      - name: Install crossfade
        # Not in the runner's temporary folder, which is emptied: what serves goes on running from here.
        run: |
{install}
      - name: Check crossfade.yaml
        run: |
{lint}
      - name: Release
        # A cancelled job gets an interrupt, 7.5 s later a SIGTERM, and 2.5 s after that it is killed.
{interrupt}
        env:
          # As variables, never inside the script: there the shell would run what somebody typed.
          REVISION: {revision}
          REASON: ${{{{ inputs.reason }}}}
          CROSSFADE_ACTOR: ${{{{ github.triggering_actor }}}}
        run: |
{release}
      - name: Show how it stands
        if: always()
        run: |
{show}"""

_INTERRUPT = {
    OnInterrupt.ROLLBACK: """\
At the first one crossfade takes all traffic back to stable (`on_interrupt: rollback`), exits 5, and
leaves the clearing to another process. Were it killed before that: `crossfade abort --reason TEXT`.""",
    OnInterrupt.HOLD: """\
At the first one crossfade leaves the release as it stands (`on_interrupt: hold`) and exits 130: go on with
`crossfade resume --reason TEXT`, or back with `crossfade abort --reason TEXT`.""",
}


_SWEEP = ("What serves runs in this folder: nothing in it is swept away.",)

_SWEEP_STATE = (
    *_SWEEP,
    "The journal is in it too. Any other job that checks out here with `clean`, as is the default, would",
    "delete it: `state: /var/lib/crossfade` in crossfade.yaml, or any folder elsewhere, keeps it safe.",
)


def workflow(spec: Spec, *, file: str, version: str, runner: str = RUNNER) -> str:
    """
    The workflow file of this service, sealed.

    `file` is where its crossfade.yaml lies, from the repository's root; `version` is the
    crossfade it installs. Raises `UsageError` for a path or a label that no workflow can carry.
    """
    if not runner or len(runner) > LABEL_LIMIT or any(char.isspace() or char == "," for char in runner):
        raise UsageError(
            "CF8001", f"runner label {runner!r}", "not what GitHub lets a runner be called", "--runner LABEL"
        )
    walk = patience(spec)
    body = _TEMPLATE.format(
        name=quoted(f"Release {spec.service}"),
        run_name=quoted(f"Release {spec.service} ")[:-1] + f'{_REVISION}"',
        group=quoted(f"crossfade-{spec.service}"),
        runner=quoted(runner),
        patience=_comment(_spent(walk), 4),
        minutes=walk.minutes,
        file=quoted(file),
        version=quoted(version),
        checkout=CHECKOUT,
        sweep=_comment(_SWEEP_STATE if _is_inside(spec) else _SWEEP, 10),
        install=_indented(_INSTALL),
        lint=_indented(_LINT),
        interrupt=_comment(_INTERRUPT[spec.on_interrupt].splitlines(), 8),
        revision=_REVISION,
        release=_indented(_RELEASE),
        show=_indented(_SHOW),
    )
    return sealed(body, verb="github-actions", version=version)


def _is_inside(spec: Spec) -> bool:
    """Whether the journal lies in the checkout."""
    return not isinstance(spec.state, S3Place) and spec.state.is_relative_to(spec.folder)


def quoted(text: str) -> str:
    """The text as a double-quoted YAML scalar of one line; raises `UsageError` where it cannot stay text."""
    if not text.isprintable() or "${{" in text:
        why = "a character that cannot be printed, or the begin of an expression, which GitHub would evaluate"
        raise UsageError("CF8002", f"{text!r} in a workflow", why, "another name for it")
    return json.dumps(text, ensure_ascii=False)


def _spent(walk: Patience) -> Iterator[str]:
    yield "The longest that the plan's own limits allow, so that GitHub never cuts a release short:"
    yield (
        f"bakes and keep_old {_span(walk.bakes)}, waiting for people {_span(walk.people)} (deadlines.hold),"
    )
    yield f"other deadlines {_span(walk.rest)}, around it {_span(AROUND)}. Pauses by a person are not in it."
    if walk.capped:
        yield f"Together {_span(walk.total)}: GitHub gives a job five days, so it may be cut short all the"
        yield "same, which is to a release as if the job had been cancelled."


def _span(span: timedelta) -> str:
    """Rounded up to minutes, and to seconds below one."""
    if span < timedelta(minutes=1):
        return f"{span.total_seconds():g} s"
    minutes = -(-span // timedelta(minutes=1))
    hours, rest = divmod(minutes, 60)
    return " ".join(part for part in (f"{hours} h" * bool(hours), f"{rest} min" * bool(rest)) if part)


def _comment(lines: Iterable[str], indent: int) -> str:
    return "\n".join(f"{' ' * indent}# {line}" for line in lines)


def _indented(script: str) -> str:
    """As the block of a `run:`."""
    return "".join(f"{' ' * 10}{line}\n" for line in script.splitlines())
