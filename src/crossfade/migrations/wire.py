"""
One connection to a server, in PostgreSQL's own terms: text in, text out, errors as values.

A failing statement is news here, not an accident: `attempt`, `prepare` and `execute` give a Failure
back. `ask` is for our own questions, which may not fail. A server that is gone is told apart from
both: it raises RefusedError (CF9205), because nothing can be decided then.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from socket import socket
from types import TracebackType
from typing import Any, Final, Self

from psycopg import pq

from crossfade.errors import CrossfadeError, RefusedError
from crossfade.migrations.answers import Failure, Field, Order, Prepared, Rows

_FLIGHT: Final = 16  # groups sent before answers are read: few enough that no buffer fills
_LEAVING: Final = 1.0  # seconds
_FINE: Final = {pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK, pq.ExecStatus.EMPTY_QUERY}


class QuestionError(CrossfadeError):
    """A question of our own failed: a mistake of ours, or a server that is not one."""


def _gone(why: str) -> RefusedError:
    return RefusedError(
        "CF9205",
        "the PostgreSQL of the proof is gone",
        why.strip(),
        "run it again; nothing of yours was touched",
    )


def _short(said: Failure) -> RefusedError:
    return RefusedError(
        "CF9219",
        "the PostgreSQL of the proof ran short",
        str(said),
        "make room, or --sandbox-dsn for a server that has it; nothing of yours was touched",
    )


_SHORT: Final = frozenset({"53", "58"})  # no disk, no memory, no connections; the system itself


class Session:
    """A connection. Not for two threads at once; `close` may come from another one."""

    def __init__(self, conninfo: str, *, of_a_proof: bool = True) -> None:
        self._pg = pq.PGconn.connect(conninfo.encode())
        if self._pg.status != pq.ConnStatus.OK:
            why = self._pg.get_error_message()
            self._pg.finish()
            raise RefusedError(
                "CF9204",
                "no connection to the PostgreSQL of the proof",
                why,
                "without --sandbox-dsn one is started from the extra: pip install 'crossfade[migrations]'",
            )
        self._of_a_proof = of_a_proof  # else it is the user's own, and that it runs short is news of it
        self.notices: list[str] = []
        self._pg.notice_handler = self._noticed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._pg.finish()

    def leave(self) -> None:
        """Close, and come back when the server has let go of its end, a second later at the most."""
        with socket(fileno=os.dup(self._pg.socket)) as line, contextlib.suppress(OSError):
            self._pg.finish()
            line.settimeout(_LEAVING)
            while line.recv(4096):
                pass

    @property
    def pid(self) -> int:
        return self._pg.backend_pid

    @property
    def version(self) -> int:
        """As PostgreSQL counts: 180004."""
        return self._pg.server_version

    @property
    def failed(self) -> bool:
        """Inside a transaction that can only be rolled back."""
        return self._pg.transaction_status == pq.TransactionStatus.INERROR

    def ask(self, sql: str, values: Sequence[str | None] = ()) -> tuple[tuple[str | None, ...], ...]:
        """Rows of a question of our own."""
        said = self.attempt(sql, values)
        if isinstance(said, Failure):
            raise QuestionError("CF9299", f"a question to PostgreSQL failed: {said}", sql[:200])
        return said.rows

    def attempt(self, sql: str, values: Sequence[str | None] = ()) -> Rows | Failure:
        """Run a statement; several at once where there are no values."""
        if not values:
            return self._call(lambda: self._pg.exec_(_bytes(sql)))
        return self._call(lambda: self._pg.exec_params(_bytes(sql), _encoded(values)))

    def prepare(self, name: str, sql: str, types: Sequence[int] = ()) -> Prepared | Failure:
        """Parse a statement and describe it. `types` may name the parameters' types, 0 where open."""
        parsed = self._call(lambda: self._pg.prepare(name.encode(), _bytes(sql), types or None))
        if isinstance(parsed, Failure):
            return parsed
        result = self._checked(lambda: self._pg.describe_prepared(name.encode()))
        if isinstance(result, Failure):
            return result
        params = tuple(result.param_type(at) for at in range(result.nparams))
        return Prepared(name=name, params=params, fields=_fields(result))

    def execute(self, name: str, values: Sequence[str | None]) -> Rows | Failure:
        """Run a prepared statement."""
        return self._call(lambda: self._pg.exec_prepared(name.encode(), _encoded(values)))

    def batch(self, groups: Sequence[Sequence[Order]]) -> list[list[Rows | Failure]]:
        """Groups of orders in few round trips. A group's first failure is its last answer."""
        answers: list[list[Rows | Failure]] = []
        for begin in range(0, len(groups), _FLIGHT):
            flight = groups[begin : begin + _FLIGHT]
            self._pg.enter_pipeline_mode()
            for group in flight:
                for order in group:
                    self._send(order)
                self._pg.pipeline_sync()
            answers += [self._landed() for _ in flight]
            self._pg.exit_pipeline_mode()
        return answers

    def _send(self, order: Order) -> None:
        if order.prepared is None:
            self._pg.send_query_params(_bytes(order.sql), None)
        else:
            self._pg.send_query_prepared(order.prepared.encode(), _encoded(order.values))

    def _landed(self) -> list[Rows | Failure]:
        """The answers of one group, up to where the server is in step again."""
        found: list[Rows | Failure] = []
        while True:
            result = self._pg.get_result()
            if result is None:
                if self._pg.status != pq.ConnStatus.OK:
                    raise _gone(self._pg.get_error_message())
                continue
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                return found
            if result.status != pq.ExecStatus.PIPELINE_ABORTED:
                found.append(self._answer(result))

    def _answer(self, result: pq.abc.PGresult) -> Rows | Failure:
        if result.status in _FINE:
            return _rows(result)
        if self._pg.status != pq.ConnStatus.OK:
            raise _gone(result.get_error_message())
        return self._told(result)

    def _call(self, call: Callable[[], pq.abc.PGresult]) -> Rows | Failure:
        result = self._checked(call)
        return result if isinstance(result, Failure) else _rows(result)

    def _checked(self, call: Callable[[], pq.abc.PGresult]) -> pq.abc.PGresult | Failure:
        try:
            result = call()
        except Exception as error:
            if self._pg.status != pq.ConnStatus.OK:
                raise _gone(str(error)) from None
            raise
        if result.status in _FINE:
            return result
        if self._pg.status != pq.ConnStatus.OK:
            raise _gone(result.get_error_message())
        if result.status != pq.ExecStatus.FATAL_ERROR:
            self._out_of_copy(result.status)
            return Failure(sqlstate="0A000", message="COPY with data of the client is not run in a proof")
        return self._told(result)

    def _told(self, result: pq.abc.PGresult) -> Failure:
        """What a server says against a statement; that it ran short says nothing about the statement."""
        said = _failure(result)
        if self._of_a_proof and said.sqlstate[:2] in _SHORT:
            raise _short(said)
        return said

    def _out_of_copy(self, status: int) -> None:
        if status == pq.ExecStatus.COPY_IN:
            self._pg.put_copy_end(b"not in a proof")
        elif status == pq.ExecStatus.COPY_OUT:
            while self._pg.get_copy_data(0)[0] > 0:
                pass
        while self._pg.get_result() is not None:
            pass

    def _noticed(self, result: pq.abc.PGresult) -> None:
        self.notices.append(
            (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode("utf-8", "replace")
        )


def _bytes(sql: str) -> bytes:
    return sql.encode("utf-8", "replace").replace(b"\0", b"")


def _encoded(values: Sequence[str | None]) -> Any:  # the driver takes None for NULL, its types do not say so
    return [None if one is None else _bytes(one) for one in values]


def _text(value: bytes | None) -> str | None:
    return None if value is None else bytes(value).decode("utf-8", "replace")


def _rows(result: pq.abc.PGresult) -> Rows:
    rows = tuple(
        tuple(_text(result.get_value(row, at)) for at in range(result.nfields))
        for row in range(result.ntuples)
    )
    return Rows(fields=_fields(result), rows=rows, tag=(result.command_status or b"").decode())


def _fields(result: pq.abc.PGresult) -> tuple[Field, ...]:
    return tuple(
        Field(
            (result.fname(at) or b"").decode("utf-8", "replace"),
            result.ftype(at),
            result.fmod(at),
            result.ftable(at),
            result.ftablecol(at),
        )
        for at in range(result.nfields)
    )


def _failure(result: pq.abc.PGresult) -> Failure:
    def said(field: pq.DiagnosticField) -> str:
        return (result.error_field(field) or b"").decode("utf-8", "replace")

    return Failure(
        sqlstate=said(pq.DiagnosticField.SQLSTATE) or "XX000",
        message=said(pq.DiagnosticField.MESSAGE_PRIMARY),
        detail=said(pq.DiagnosticField.MESSAGE_DETAIL),
        table=said(pq.DiagnosticField.TABLE_NAME),
        column=said(pq.DiagnosticField.COLUMN_NAME),
        constraint=said(pq.DiagnosticField.CONSTRAINT_NAME),
    )


def literal(value: str | None) -> str:
    """A value as SQL text."""
    if value is None:
        return "NULL"
    escaped = value.replace("'", "''")
    return f"E'{escaped.replace(chr(92), chr(92) * 2)}'" if "\\" in value else f"'{escaped}'"


def name(*parts: str) -> str:
    """A name as SQL text, each part quoted."""
    return ".".join('"{}"'.format(part.replace('"', '""')) for part in parts)
