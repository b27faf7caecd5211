"""Pages for guests: a hotel with its booking form, and a guest's own booking."""
