"""What strangers must not be able to do (RELIABILITY §5.4), held against the real apps."""
