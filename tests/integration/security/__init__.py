"""What strangers must not be able to do: tested on the real apps."""
