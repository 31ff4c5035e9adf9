"""Helpers of the system tests. Each module's docstring says what it is for."""
