"""The Faust app: folds clicks and purchases into affinities; publishes assignments and banner requests.

`streams.affinity` is pure. Imports settings, contracts and broker; never generator or edge.
"""
