"""Loss terms, one file per purpose."""
