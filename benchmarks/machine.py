"""On what kind of machine, and with what, a run of the command was made."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.environments import ROOT


def about() -> dict[str, str]:
    """The machine and the time; no name of either a person or a host."""
    return {
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": str(os.cpu_count()),
        "processor": _field("/proc/cpuinfo", "model name") or platform.machine(),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "load before": load(),
    }


def load() -> str:
    """How many processes wanted to run during the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def versions(environment: str) -> dict[str, str]:
    """What is pinned for an environment, by package."""
    pins = (ROOT / "requirements" / f"bench-{environment}.txt").read_text("utf-8")
    found = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", pins, re.MULTILINE))
    if environment == "upshot":
        version = (ROOT / "src" / "upshot" / "_version.py").read_text("utf-8")
        found["upshot"] = re.search(r'"(.+?)"', version.partition("__version__")[2]).group(1)
    return found


def _memory() -> str:
    total = _field("/proc/meminfo", "MemTotal")
    return f"{round(int(total.split()[0]) / 2**20)} GB" if total else "unknown"


def _field(path: str, name: str) -> str:
    if not Path(path).exists():
        return ""
    found = re.search(rf"^{name}\s*:\s*(.+)$", Path(path).read_text("utf-8"), re.MULTILINE)
    return found.group(1).strip() if found else ""
