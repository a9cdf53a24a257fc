"""Parts for ganzoo that live in a package of their own."""
