"""Networks fitted to data: one, or many small ones at once."""
