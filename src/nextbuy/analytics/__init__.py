"""Projections (tables computed from events): figures for admins, sellers and shoppers."""
