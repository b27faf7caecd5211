"""The operators' commands, one module for each thing they act on. `manage.py` puts them together."""
