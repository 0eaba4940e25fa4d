"""What is checked of deploy/ without any server."""
