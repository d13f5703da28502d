"""Offline evaluation of the bandit in `streams.experiments`: simulated visitors, and the regret of each policy."""
