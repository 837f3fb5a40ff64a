"""Visits to clusters: which are due, who reads their windows, and when a visit is over.

``usage.pulls`` plans a visit; ``running`` reads its windows one by one, ``folders`` reads what
lies in drop folders, ``due`` starts what is due and goes on with what broke off, ``watch`` tells
someone when a night did not happen, ``metrics`` shows how it all stands.
"""
