"""One paper each: its figures, and what holds of its statements."""
