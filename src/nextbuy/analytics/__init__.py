"""Projections of all events: figures for admins, sellers and shoppers."""
