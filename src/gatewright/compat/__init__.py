"""Floor 11: other tools' interfaces over ours, so that a user's script runs with another import."""
