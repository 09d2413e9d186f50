"""Django's PostgreSQL backend, which tells the database for which tenant it reads."""
