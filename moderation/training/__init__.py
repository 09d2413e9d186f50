"""Scripts that train what the gate ships; run by hand, never imported by the web process."""
