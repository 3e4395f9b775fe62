"""One file per thing a person asks for: a pure plan and a thin act."""
