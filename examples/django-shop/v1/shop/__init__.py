"""The first release: an order is an item and a price."""
