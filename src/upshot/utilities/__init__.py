"""Small helpers that programs use beside flows and tasks."""
