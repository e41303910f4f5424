"""Storages in the run store's SQLite file."""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from upshot.records import Block
from upshot.runstore import _rows
from upshot.runstore import _sql_sqlite as sql
from upshot.runstore._rows import Row
from upshot.runstore.base import RunStore

T = TypeVar("T")


class BlocksInSQLite(RunStore):
    """The part of `SQLiteRunStore` that keeps storages."""

    _blocks: dict[UUID, Block]  # what it has been given by this process

    def save_block(self, block: Block) -> None:
        """Keep a storage's description, unless its id has one."""
        self._execute(sql.PUT_BLOCK, _rows.block_row(block), block.name)
        self._blocks[block.id] = block

    def change_block(self, block: Block, changed: Block) -> bool:
        """Put another description of a storage in the place of this one, if that is there."""
        row = (*_rows.block_row(changed), *_rows.block_row(block))
        found = self._execute(sql.CHANGE_BLOCK, row, changed.name) > 0
        if found:
            self._blocks[block.id] = changed
        return found

    def drop_block(self, block: Block) -> bool:
        """Forget a storage's description, if it is there."""
        found = self._execute(sql.DROP_BLOCK, _rows.block_row(block)) > 0
        if found:
            self._blocks.pop(block.id, None)
        return found

    def block(self, id: UUID) -> Block | None:
        """The storage with this id."""
        row = self._read(lambda cursor: only_row(cursor, sql.READ_BLOCK, (id.bytes,)))
        return None if row is None else _rows.to_block(row)

    def blocks(self) -> list[Block]:
        """All storages, in the order in which they came."""
        rows = self._read(lambda cursor: cursor.execute(sql.READ_BLOCKS).fetchall())
        return [_rows.to_block(row) for row in rows]

    @abstractmethod
    def _execute(self, statement: str, row: Row, name: str | None = None) -> int:
        """How many rows a statement has changed; `name` is what it gives a storage."""

    @abstractmethod
    def _read(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """What `work` reads."""


def only_row(cursor: sqlite3.Cursor, statement: str, key: Row) -> Row | None:
    """The row that a statement finds; None if there is none."""
    row: Row | None = cursor.execute(statement, key).fetchone()
    return row
