"""PostgreSQL: the engine, transactions, and every query by name. Nothing else writes SQL."""
