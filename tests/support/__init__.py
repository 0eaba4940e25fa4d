"""What tests stand on; README.md here is its map."""
