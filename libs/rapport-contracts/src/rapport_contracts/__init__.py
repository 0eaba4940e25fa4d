"""The events on Rapport's bus: topics, types, codec, schemas and examples."""
