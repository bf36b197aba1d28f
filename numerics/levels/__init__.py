"""From one representation of a model to another: refined, projected, adapted."""
