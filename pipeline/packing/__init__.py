"""What travels to another machine: the project's code, a finished run, the notebook that starts it."""
