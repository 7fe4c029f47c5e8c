"""
What can be said of a migration without running it: quickly, by its words, with the SQL to write instead.

`rules.py` is the list of rules. `actions.py` takes statements apart; `check.py` asks of each action in turn
what it meets: `alters.py` (with `new_columns.py`, `changed_columns.py`, `constraints.py`) of a clause of
ALTER TABLE, `others.py` (with `objects.py`, `rows.py`) of any other statement. `known.py` remembers what the
file, or `--schema`, said so far; `together.py` looks at transactions as wholes; `allow.py` hears what was
allowed on purpose. Pure. A proof runs the statements and is right where this one only reads.
"""
