"""Threads, loops and signals: where work waits, is called, is interrupted or runs out of time."""
