"""Measurements: `python -m bench NAME`. Each prints one JSON line per system or stage. No service imports it."""
