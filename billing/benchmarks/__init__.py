"""How fast the ledger is, beside the database's own benchmark. Run by hand, never by a server."""
