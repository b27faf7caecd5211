"""The Makefile's front door."""

from __future__ import annotations

import re
import subprocess

from tests.stack.leftovers import ROOT


def test_make_alone_lists_every_target() -> None:
    """With a line on each, and without setting anything up."""
    makefile = (ROOT / "Makefile").read_text()
    [phony] = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    done = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    listed = re.findall(r"^  make (\S+) +\S.+$", done.stdout, re.MULTILINE)
    assert sorted(listed) == sorted(phony.split())
    assert len(done.stdout.splitlines()) == len(listed)


def test_the_readme_names_targets_that_exist() -> None:
    """For each command it prints."""
    makefile = (ROOT / "Makefile").read_text()
    for page in ("README.md", "CONTRIBUTING.md", "docs/deployment.md", "docs/runbook.md"):
        for target in re.findall(r"`make ([a-z-]+)", (ROOT / page).read_text()):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page}: make {target}"
