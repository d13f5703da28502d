"""What every process needs: stop signals, retries with backoff, logs, a metrics page, child processes, a supervisor.

May import settings and contracts; every other room may import it.
"""
