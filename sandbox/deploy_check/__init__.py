"""Runs the Compose file and the image beside the stand-ins. Needs a container engine."""
