"""`python -m generator`: the worker with settings from the usual places, without the command line."""

from generator.main import run
from settings import load_settings
from settings.logs import configure_logging

if __name__ == "__main__":
    settings = load_settings()
    configure_logging(settings)
    run(settings)
