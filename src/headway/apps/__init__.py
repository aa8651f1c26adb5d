"""Applications built on the public names of Headway alone, as proof and as examples."""
