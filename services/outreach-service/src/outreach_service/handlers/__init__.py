"""The use cases: plan after a tier change, send what is due, apply outcomes, steer by hand."""
