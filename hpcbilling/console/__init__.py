"""What of the finance console spans apps: its navigation, its home page and its site."""
