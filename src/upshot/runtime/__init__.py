"""What runs here: `flow_run` and `task_run`, whose attributes are looked up when they are used."""

from upshot.runtime import flow_run, task_run

__all__ = ["flow_run", "task_run"]
