"""Painters that the settings name: today, a shop's own class (`generator.painter = "module:Class"`)."""
