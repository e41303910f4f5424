"""Bringing the schema of a run store up to date. Only stores that need it load this, and Alembic.

A revision is a file in `versions`; its name is the schema version that it leads to, and sorts after
the one before it. There is no way back: an older upshot refuses a newer store.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import alembic.command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool

HERE = Path(__file__).parent
PATIENCE = 60.0  # seconds that another process's migration is waited for


def configuration(further: tuple[Path, ...] = ()) -> Config:
    """What Alembic needs to know; `further` are folders with more revisions."""
    config = Config()
    config.set_main_option("script_location", _escaped(HERE))
    config.set_main_option("path_separator", "newline")
    folders = (HERE / "versions", *further)
    config.set_main_option("version_locations", "\n".join(map(_escaped, folders)))
    return config


def upgrade(path: Path, further: tuple[Path, ...] = ()) -> None:
    """Migrate the store at `path` to the newest schema, in one transaction.

    Of several processes that try, one does it, and the others wait and find it done.

    Raises:
        sqlite3.Error, CommandError: if it cannot be; the store is as it was before.
    """
    config = configuration(further)
    engine = create_engine("sqlite://", creator=lambda: _connect(path), poolclass=NullPool)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")
    except Exception as error:
        raise getattr(error, "orig", None) or error from error
    finally:
        engine.dispose()


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", timeout=PATIENCE, isolation_level=None, uri=True
    )


def _begin(connection: Connection) -> None:
    """Lock the store before the version is read; the driver itself begins nothing here."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _escaped(folder: Path) -> str:
    return str(folder).replace("%", "%%")
