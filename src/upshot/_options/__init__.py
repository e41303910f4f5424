"""The options of flows and tasks: their types, their checks, and what some of them mean."""
