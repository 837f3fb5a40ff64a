"""Texts of libraries that a person sees and that the libraries don't have in all our languages.

Nothing reads these modules at run time: they are here so that the catalogue tool finds the texts.
They have to be, letter for letter, what the library in the lock says; a test checks it.
"""
