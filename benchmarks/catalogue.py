"""What is measured, on whom, and what upshot may cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_FLOW = """
@task
def value(x):
    return {"x": x, "list": [1, 2, 3]}
@flow
def around():
    return value(1)
around()
"""
_DBOS_FLOW = """
import os
DBOS(config={"name": "bench", "system_database_url": os.environ["BENCH_DATABASE"],
             "log_level": "CRITICAL", "run_admin_server": False})
@DBOS.step()
def value(x):
    return {"x": x, "list": [1, 2, 3]}
@DBOS.workflow()
def around():
    return value(1)
DBOS.launch()
around()
DBOS.destroy()
"""
_BARE_FLOW = "\ndef value(x):\n    return {'x': x, 'list': [1, 2, 3]}\nvalue(1)\n"
_PYDANTIC = "import pydantic, anyio\nclass One(pydantic.BaseModel):\n    x: int = 1\n"

_PREFECT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_HOME": "{folder}",
    # Prefect 3 takes neither of these from PREFECT_HOME
    "PREFECT_LOCAL_STORAGE_PATH": "{folder}/storage",
    "PREFECT_MEMO_STORE_PATH": "{folder}/memo_store.toml",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
}


@dataclass(frozen=True)
class Peer:
    """Someone who does the work.

    Attributes:
        imports: what its users import.
        flow: with these imports, a program that runs one flow around one task; empty if it keeps
            no runs.
        settings: environment variables; `{folder}` in them is a folder of its own.
        package: what its version is that of.
        alone: its import without any name of it; empty if it is more than one package.
        environment: in whose virtual environment it runs, if not in its own.
    """

    name: str
    title: str
    imports: str
    flow: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    package: str = ""
    alone: str = ""
    environment: str = ""


PEERS = {
    peer.name: peer
    for peer in [
        Peer(
            name="upshot",
            title="upshot",
            alone="import upshot",
            imports="from upshot import flow, task",
            flow=_FLOW,
            settings={"UPSHOT_HOME": "{folder}"},
        ),
        Peer(
            name="prefect2",
            title="Prefect 2",
            alone="import prefect",
            imports="from prefect import flow, task",
            flow=_FLOW,
            settings=_PREFECT,
            package="prefect",
        ),
        Peer(
            name="prefect3",
            title="Prefect 3",
            alone="import prefect",
            imports="from prefect import flow, task",
            flow=_FLOW,
            settings=_PREFECT,
            package="prefect",
        ),
        Peer(
            name="dbos",
            title="DBOS",
            alone="import dbos",
            imports="from dbos import DBOS",
            flow=_DBOS_FLOW,
            settings={"BENCH_DATABASE": "sqlite:///{folder}/dbos.sqlite"},
        ),
        Peer(
            name="joblib",
            title="joblib.Memory",
            alone="import joblib",
            imports="from joblib import Memory",
        ),
        Peer(
            name="diskcache",
            title="diskcache",
            alone="import diskcache",
            imports="from diskcache import Cache",
        ),
        Peer(
            name="bare",
            title="bare limit",
            imports=_PYDANTIC,
            flow=_BARE_FLOW,
            package="cloudpickle",
            environment="upshot",
        ),
    ]
}


@dataclass(frozen=True)
class Row:
    """Something that is measured.

    Attributes:
        unit: of the figure: `s`, `µs` (each of `n`), `MB` or `KB` (each of `n`).
        n: how many there are at a time.
        function: what an adapter calls it, if not by its name.
        fresh: each time in a process of its own.
        with_row: the row whose run gives this figure, too.
        only: the peer that it is for, if not for all.
        most: seconds that `n` of them may take; who needs longer is given fewer.
    """

    name: str
    title: str
    unit: str = "µs"
    n: int = 1_000
    function: str = ""
    fresh: bool = False
    with_row: str = ""
    only: str = ""
    most: float = 2.0


ARRAY_MB = 512

ROWS = {
    row.name: row
    for row in [
        Row("import", "import what users import", "s", 1, fresh=True),
        Row("import-alone", "import of the package alone", "s", 1, fresh=True),
        Row("first", "first flow in a fresh process, start to exit", "s", 1, fresh=True),
        Row("array-write", f"array of {ARRAY_MB} MB, written", "s", ARRAY_MB, fresh=True),
        Row("array-read", f"array of {ARRAY_MB} MB, read", "s", with_row="array-write"),
        Row("array-write-memory", "extra memory to write it", "MB", with_row="array-write"),
        Row("array-read-memory", "extra memory to read it", "MB", with_row="array-write"),
        Row("map-memory", "memory of a mapped task", "KB", 100_000, fresh=True, only="upshot"),
        Row("empty", "empty flow", n=100),
        Row("plain", "call, sync"),
        Row("plain-async", "call, async, one at a time"),
        Row("gather", "call, async, 10,000 gathered", n=10_000),
        Row("submit", "1,000 submitted, then read"),
        Row("persisted", "call, persisted, sync"),
        Row("persisted-async", "call, persisted, async, one at a time"),
        Row("persisted-gather", "call, persisted, async, 1,000 gathered"),
        Row("miss", "cache miss"),
        Row("hit", "cache hit"),
        Row("map-1000", "1,000 mapped", function="map_tasks"),
        Row("map-100000", "100,000 mapped", n=100_000, function="map_tasks", most=20.0),
    ]
}


@dataclass(frozen=True)
class Budget:
    """What upshot may cost in a row: so much of the row's unit, or so often another figure."""

    row: str
    most: float
    against: tuple[str, str] | None = None


BUDGETS = [
    Budget("import", 1.4, ("import", "bare")),
    Budget("import-alone", 1.4, ("import", "bare")),
    Budget("first", 0.8),
    Budget("plain", 50),
    Budget("plain-async", 50),
    Budget("gather", 50),
    Budget("submit", 80),
    Budget("persisted", 2.5, ("persisted", "bare")),
    Budget("persisted-async", 4.5, ("persisted", "bare")),
    Budget("persisted-gather", 2.5, ("persisted", "bare")),
    Budget("hit", 1.5, ("hit", "joblib")),
    Budget("map-100000", 1.2, ("map-1000", "upshot")),
    Budget("map-memory", 4),
    Budget("array-write", 2, ("array-write", "bare")),
    Budget("array-read", 2, ("array-read", "bare")),
    Budget("array-write-memory", 16),
    Budget("array-read-memory", ARRAY_MB + 16),
]
