"""How a call of a flow or a task becomes a run: decorated functions, bodies, submission."""
