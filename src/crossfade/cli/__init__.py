"""
The command line: verbs and renderers of the event log. Nothing here decides anything.

`root.py` names every verb and loads its module only when it is called, so that
`crossfade --version` answers at once; `following.py` drives or watches a release;
`render/` turns values into text.
"""


def main() -> None:
    """The `crossfade` command."""
    from crossfade.cli.root import run

    run()
