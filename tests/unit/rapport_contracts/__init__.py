"""What rapport-contracts promises, without a broker."""
