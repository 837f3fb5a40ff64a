"""How Django itself writes days and moments: as ``core.formatting`` does, short and unambiguous."""
