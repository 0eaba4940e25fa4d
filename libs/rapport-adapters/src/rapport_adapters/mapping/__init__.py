"""What a system sends, read by a document that says what stands where (ADR 50)."""
