"""
What can be said of a migration without running it: quickly, by its words, with the SQL to write instead.

`actions.py` takes statements apart, `rules.py` is the list of rules, `alters.py` and `others.py` find them,
`check.py` asks them all, looks at transactions as wholes, and hears `-- crossfade: allow`. Pure.
A proof runs the statements and is right where this one only reads.
"""
