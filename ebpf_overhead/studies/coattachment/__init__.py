"""What several programs at one attach point cost."""
