"""`python -m edge`: the node with settings from the usual places, without the command line."""

from edge.main import run
from settings import load_settings
from settings.logs import configure_logging

if __name__ == "__main__":
    settings = load_settings()
    configure_logging(settings)
    run(settings)
