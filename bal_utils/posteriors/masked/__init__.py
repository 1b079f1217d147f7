"""Dropout masks kept for a whole pool, and the fast evaluation of networks under them."""
