"""The gateway: the only entry point from outside, which leads to public paths only."""
