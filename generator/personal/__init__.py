"""Personal style: how alike pictures and words are (`likeness`)."""
