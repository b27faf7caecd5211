"""The database schema, applied by Alembic."""
