"""The ceiling: a workflow with the same two signals and the fewest possible activities, all of them empty."""
