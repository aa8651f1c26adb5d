"""Where kept values rest."""
