"""
The form of `NAME.yaml` beside a schema change's SQL: every key, with its unit, default and reason.

All keys are optional; what a key needs beside it is `changes.py`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from crossfade.spec.fields import Duration, Form, setting


class PartForm(Form):
    """A part that another program runs."""

    command: str | None = setting(
        "Program and arguments, split as a shell would and started without one; it finds the database in the "
        "variable of `database.url`."
    )


class PairForm(Form):
    """Two columns that hold the same thing."""

    old: str | None = setting("Column of the old version.")
    new: str | None = setting("Column of the new version.")
    up: str | None = setting(
        "SQL of the new column from NEW, the row that an old version wrote.",
        because="NEW's old column as it is",
    )
    down: str | None = setting(
        "SQL of the old column from NEW, the row that a new version wrote.",
        because="NEW's new column as it is",
    )


class DualWriteForm(Form):
    """A trigger that keeps both columns equal, whoever writes."""

    table: str | None = setting("The table, with its schema where that is not the first one of the role.")
    pairs: list[PairForm] | None = setting("The columns.")


class PauseOnForm(Form):
    """What makes a backfill wait."""

    lag: Duration | None = setting("A replica further behind than this.", because="no replica is asked")
    autovacuum: bool | None = setting(
        "The table is being vacuumed.", because="true: batches would undo its work"
    )
    flag: str | None = setting("A query whose first value is true while batches have to wait.")
    load: str | None = setting("A query whose first value is true while the server is busy.")


class BackfillForm(Form):
    """Rows brought into the new shape, batch by batch."""

    aka: ClassVar[Mapping[str, str]] = {"target_ms": "target", "keys": "key"}

    table: str | None = setting("The table.")
    set: dict[str, str] | None = setting("Column and the SQL of its value.")
    where: str | None = setting("Rows that still need it.", because="all rows")
    key: list[str] | None = setting(
        "Columns of a unique key, in whose order the batches go.", because="the primary key"
    )
    rows: int | None = setting(
        "Rows of the first batch.", default=1000, because="small enough to be quick on any table",
        ge=1, le=50_000,
    )  # fmt: skip
    target: Duration | None = setting(
        "How long a batch may take; its size follows.", default="200ms",
        because="so long may a writer of one of its rows have to wait",
    )  # fmt: skip
    pause_on: PauseOnForm | None = setting("What makes it wait.")


class AcceptForm(Form):
    """A person's word on a counterexample with values that nobody was seen sending."""

    statement: str | None = setting("The statement's id, as `migrate prove` says it.")
    counterexample: str | None = setting(
        "Its digest, as `migrate prove` says it; void when the migration or a recorded statement changes."
    )
    who: str | None = setting("Who answers for it.")
    reason: str | None = setting("Why that value is never sent.")


class ChangeForm(Form):
    """The rest of a schema change."""

    aka: ClassVar[Mapping[str, str]] = {
        "dual-write": "dual_write",
        "dualwrite": "dual_write",
        "invariants": "invariant",
    }

    expand: PartForm | None = setting("A command instead of NAME.sql.")
    contract: PartForm | None = setting("A command instead of NAME.contract.sql.")
    dual_write: DualWriteForm | None = setting(
        "A trigger writes the other column.", because="none: the application writes both"
    )
    backfill: BackfillForm | None = setting("Rows brought into the new shape.", because="none")
    invariant: str | None = setting(
        "What holds of every row before the contract: a condition, or a SELECT that finds offending rows.",
        because="nothing is checked",
    )
    not_before: Duration | None = setting(
        "The contract opens this long after the last version that needs the old shape can be returned to.",
        default="0s", because="the way back itself is always waited for",
    )  # fmt: skip
    accept: list[AcceptForm] | None = setting(
        "Counterexamples that are only possible, each by its digest, with who and why.", because="none"
    )
