"""The pure core: states, folds and decisions. No I/O, no clock, no Faust; everything is a value or a function."""
