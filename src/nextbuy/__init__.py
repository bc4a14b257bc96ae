"""NextBuy: a multi-vendor marketplace of seven services, in one process or in many."""
