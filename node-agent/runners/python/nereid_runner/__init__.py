"""Runs one instance of a Python model for its agent; models see `triton_python_backend_utils` alone."""
