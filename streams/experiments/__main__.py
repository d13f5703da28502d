"""`python -m bannerstream.streams.experiments`: runs the worker without the command line."""

from bannerstream.service.logs import configure_logging
from bannerstream.settings import load_settings
from bannerstream.streams.experiments.app import run

if __name__ == "__main__":
    settings = load_settings()
    configure_logging(settings)
    run(settings)
