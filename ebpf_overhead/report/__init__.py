"""From results to what people and programs read; every format is made from one record."""
