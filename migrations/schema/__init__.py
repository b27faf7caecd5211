"""Tables of the first schema, by subject."""
