"""Foreign networks to the float graph; heavy packages are imported inside."""
