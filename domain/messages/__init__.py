"""The messages that travel through Temporal, one module for each pair of programs.

One frozen dataclass is one message, and every field has a default. Otherwise a field added tomorrow would make a
recorded history undecodable, and Temporal drops a signal it cannot decode although its sender was told that it is
safe. Messages hold ids only: no guest data, no free text and no secret ever enters a history.
"""
