"""What every process needs: stop signals, retries with backoff, child processes and their supervisor.

May import settings and contracts; every other room may import it.
"""
