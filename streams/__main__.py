"""`python -m bannerstream.streams`: runs the worker with the usual settings, without the command line."""

from bannerstream.service.logs import configure_logging
from bannerstream.settings import load_settings
from bannerstream.streams.main import run

if __name__ == "__main__":
    settings = load_settings()
    configure_logging(settings)
    run(settings)
