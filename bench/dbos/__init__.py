"""The same eight empty steps in DBOS Transact, which keeps its workflows in PostgreSQL, without a server of its own."""
