"""The ceiling: a workflow that receives the same two signals and runs the least activities, which do nothing."""
