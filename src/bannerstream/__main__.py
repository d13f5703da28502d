"""`python -m bannerstream`: the `bannerstream` command."""

from bannerstream.cli.main import main

if __name__ == "__main__":
    main()
