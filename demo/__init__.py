"""The main job end to end on one machine: servers, catalogue, workers, a recorded session, and a page of the results.

Imports everything below cli.
"""
