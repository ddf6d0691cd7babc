"""What a probe would cost here: how often its target runs, times its measured overhead."""
