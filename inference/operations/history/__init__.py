"""A past for the demo organization: people, jobs, money and reviews of the last thirty days."""
