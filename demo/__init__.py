"""The main job as a newcomer sees it: servers, catalogue, workers, a recorded session, and a page of what came out.

Imports everything below cli.
"""
