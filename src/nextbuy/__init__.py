"""NextBuy: a multi-vendor marketplace."""
