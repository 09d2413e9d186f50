"""The embedded PostgreSQL and Valkey, and the supervisor of ``manage.py up``.

Nothing here imports Django: the servers start before the settings, which need their addresses.
"""
