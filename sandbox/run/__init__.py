"""`make run`: the whole product on this machine, until Ctrl-C."""
