"""What calls pay that take longer than getpid."""
