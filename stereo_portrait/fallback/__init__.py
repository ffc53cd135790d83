"""Which depth to trust where, and what to do where parallax gives none."""
