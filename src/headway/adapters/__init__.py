"""Other people's plumbing, with Headway in it."""
