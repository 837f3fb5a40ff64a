"""Visits to clusters: which windows are due, who reads them, and when a visit is over.

``plans`` makes a pull and its windows, ``running`` reads them one by one, ``folders`` reads what
lies in drop folders, ``due`` starts what is due and goes on with what broke off, ``watch`` tells
someone when a night did not happen, ``metrics`` shows how it all stands.
"""
