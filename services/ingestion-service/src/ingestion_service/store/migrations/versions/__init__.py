"""The steps themselves, the oldest first."""
