"""The whole product on one machine, with its stand-ins: for `make run`, the demo, tests, benchmarks and fault runs."""

from sandbox.stack.folder import FolderInUseError
from sandbox.stack.process import PartError
from sandbox.stack.stack import Stack

__all__ = ["FolderInUseError", "PartError", "Stack"]
