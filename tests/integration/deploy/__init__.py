"""What is shipped: images, compose file, rules."""
