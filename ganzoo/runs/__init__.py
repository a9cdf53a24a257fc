"""Run folders: where they are, what is in them, and how they are written."""
