"""E-mails about documents: queued with what they tell of, sent once, tried again, and given up.

Rows of ``Mail`` are the queue: they are committed together with the issue, payment or credit note
that they tell of, so that none is lost with a worker, Redis or the mail server. A process that is
killed after the server took a mail and before that is committed sends it a second time, under the
same Message-ID; nothing short of the server's help can tell these apart.
"""
