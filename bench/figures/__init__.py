"""One module for each figure, or for figures that are measured together."""
