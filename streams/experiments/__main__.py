"""`python -m streams.experiments`: the worker with settings from the usual places, without the command line."""

from settings import load_settings
from settings.logs import configure_logging
from streams.experiments.service import run

if __name__ == "__main__":
    settings = load_settings()
    configure_logging(settings)
    run(settings)
