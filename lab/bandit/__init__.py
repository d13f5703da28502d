"""The bandit of `streams.experiments` offline: simulated visitors, and the regret of each way of choosing."""
