"""
The recorder: what a version really sends, heard by a throw-away PostgreSQL while its tests run.

`listen.py` starts the server and the commands; `log.py` reads what the server heard, `literals.py` takes
values out of texts, `sorting.py` tells the version's own statements from set-up, `gather.py` folds a
thousand texts into one statement with samples, `checked.py` has the server agree with all of that.
`masked.py` takes passwords out of what is kept. `files.py` reads statements from files instead.
"""
