"""The command line `nextbuy`: run, set up and operate a marketplace."""
