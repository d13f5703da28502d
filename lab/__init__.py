"""Offline work, imported by `cli` alone: training, evaluation of the generator's parts, simulation of the bandit."""
