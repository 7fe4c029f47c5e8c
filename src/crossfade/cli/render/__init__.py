"""
Renderers of the one event log: values in, text out; no I/O, no store, no clock.

`words.py` says numbers, `fields.py` is the public JSON of an event, `story.py` reads a
journal once. On them stand `plain` and `ndjson` (a line an event), `tty` (the live
screen), `explain`, `status`, `history` and `markdown`. Only `tty` imports rich, so it is
imported by name and never from here: `crossfade --version` stays quick.
"""
