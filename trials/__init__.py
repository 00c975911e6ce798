"""Programs that put Nightjar under fire and report what happened."""
