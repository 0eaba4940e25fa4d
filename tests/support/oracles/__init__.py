"""What must be true in the end, worked out without any service code."""
