"""What a merge would delete where a controller applies what Git says, and which of it is approved."""
