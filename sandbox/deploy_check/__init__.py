"""The Compose file and the image, run for real beside the stand-ins. Needs a container engine."""
