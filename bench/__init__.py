"""`make bench`: the figures that the documents quote, as ratios to what this machine can do at best in the same run."""
