"""What is delivered: images, wheels and alert rules, taken apart without an engine."""
