"""What each adapter makes of what its system sends."""
