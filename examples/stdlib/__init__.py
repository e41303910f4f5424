"""The parts of `stdlib_report.py` that know nothing of upshot."""
