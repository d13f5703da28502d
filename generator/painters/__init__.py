"""Painters that the settings name: today a class of the shop's own (`generator.painter = "module:Class"`)."""
