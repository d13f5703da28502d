"""The example shop: a catalogue with its own artwork, and a recorded shopping session. No service imports it."""
