"""Every verb, and the one place where an error becomes three lines and an exit code."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from crossfade import __version__
from crossfade.errors import CrossfadeError

VERBS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "the whole story on this machine: a good release, a bad one, the receipt"),
    "init": ("init", "write crossfade.yaml, asking as little as possible"),
    "lint": ("files", "check crossfade.yaml offline: every mistake with its line, an id and a fix"),
    "doctor": ("doctor", "whether a release could run from here, now, and what stands in its way"),
    "schema": ("files", "the JSON schema of crossfade.yaml"),
    "plan": ("plan", "what a deploy would do, step by step; nothing is changed"),
    "deploy": ("deploy", "release a revision and follow it to its end"),
    "status": ("look", "what is released, how it stands, whether it can go back"),
    "watch": ("look", "follow a release that is driven elsewhere"),
    "history": ("look", "the releases of this state folder; --verify proves the journal whole"),
    "explain": ("look", "why a release ended as it did, in words and numbers; or what an error id means"),
    "approve": ("steer", "pass a step that waits for a person"),
    "pause": ("steer", "stop the next advance; gates go on being judged"),
    "resume": ("steer", "un-pause, or adopt a release whose controller died"),
    "promote": ("steer", "--full: skip bakes and approvals, recorded as an override"),
    "abort": ("steer", "all traffic back to stable, now"),
    "rollback": ("steer", "abort a running release, or release the previous revision again"),
    "close": ("steer", "end a stuck release by a person's word"),
    "gate": ("gate", "judge a stream of counts, or replay a stored verdict"),
    "watchdog": ("watchdog", "take over releases whose controller is gone; --once for a schedule"),
    "migrate": ("migrate", "the database side: prove a schema change, run it, fill and check rows"),
    "can-rollback": ("can_rollback", "may I go back, and if not, which statement says no"),
    "render": ("render_verb", "files for other tools: github-actions, iam, alarms"),
    "local": ("local", "the embedded platform: up, status, logs, down"),
    "twin": ("twin", "the laptop AWS: up"),
    "completion": ("completion", "shell completion for bash, zsh or fish"),
}
HIDDEN = {"drive": "steer"}


class Verbs(click.Group):
    """Verbs by name; a module is imported when its verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        module = VERBS[cmd_name][0] if cmd_name in VERBS else HIDDEN.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(import_module(f"crossfade.cli.{module}"), cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise click.UsageError(f"no such verb: {args[0]!r}.{hint}", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Verbs"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in VERBS.items()])


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="First hour: crossfade demo. Then: crossfade init && crossfade plan REVISION && "
    "crossfade deploy REVISION.",
)
@click.version_option(__version__, message="crossfade %(version)s")
def cli() -> None:
    """Zero-downtime releases with a rollback that actually works."""


def run() -> None:
    """Run a verb and exit with its code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except CrossfadeError as error:
        for line in error.lines():
            click.echo(line, err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output is gone; nothing may be written any more, at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("CROSSFADE_DEBUG"):
            raise
        click.echo(f"CF0001 internal error: {type(error).__name__}: {error}", err=True)
        click.echo("  why  a mistake in Crossfade; the release, if one runs, is not harmed by it", err=True)
        click.echo("  fix  crossfade status; again with CROSSFADE_DEBUG=1 for the whole trace", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
