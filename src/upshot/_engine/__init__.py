"""The engine: generators say what a run does next, drivers make it happen.

`effects` names the kinds of waiting; `attempts`, `task_run` and `flow_run` hold every rule about
retries, caching, states and the order of writes; `sync_driver` and `async_driver` know none.
"""
