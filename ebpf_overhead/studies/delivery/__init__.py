"""What it costs to hand records to a reader: the caller, the reader, and what is lost."""
