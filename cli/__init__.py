"""The `bannerstream` command. One file per group, no logic of its own."""
