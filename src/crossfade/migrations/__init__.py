"""
The database side of a release: does the version that we may have to go back to still run after a migration?

`prove.py` answers on a throw-away PostgreSQL (`sandbox/`), by running what the versions send, before and
after: `script.py` and `lexer.py` read the SQL, `seed.py` fills the schema with rows that are legal and
unkind, `binding.py` and `vectors.py` find values for parameters, `subject.py`, `runs.py` and `replay.py`
execute, `watched.py` and `trace.py` watch the migration's locks and work.
What follows from all that is pure: `compare.py`, `locks.py`, `plans.py`, `verdict.py`.
"""
