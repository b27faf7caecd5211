"""`python -m sandbox.run.forget`: delete the data of `make run`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from sandbox.stack import FolderInUseError
from sandbox.stack.folder import FolderLock
from sandbox.stack.parts import ROOT

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def forget(
    folder: Annotated[Path, typer.Option(help="Where data and logs are kept.")] = ROOT / "var",
) -> None:
    """Delete the folder with the data and the logs of `make run`, unless a stack runs in it."""
    if not folder.exists():
        print(f"there is no {folder}: nothing to delete")
        return
    try:
        lock = FolderLock(folder)
    except FolderInUseError as error:
        print(f"{error}; stop it first")
        raise typer.Exit(1) from None
    shutil.rmtree(folder)
    lock.release()
    print(f"{folder} is gone")


if __name__ == "__main__":
    app()
