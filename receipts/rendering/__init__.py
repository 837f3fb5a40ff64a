"""A document as a file: what is printed (``document``), in words (``words``), as a PDF (``pdf``)
and as an e-invoice (``einvoice``). All of it but ``assemble`` is pure: a Document in, bytes out.
"""
