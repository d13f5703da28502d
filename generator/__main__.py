"""`python -m bannerstream.generator`: runs the worker with settings from the usual places, without the command line."""

from bannerstream.generator.main import run
from bannerstream.service.logs import configure_logging
from bannerstream.settings import load_settings

if __name__ == "__main__":
    settings = load_settings()
    configure_logging(settings)
    run(settings)
