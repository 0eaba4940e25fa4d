"""What is said on Rapport's bus: events, topics, codec, schemas and examples."""
