"""The licence in the portal: standing, attestation, seats, releases, compliance."""
