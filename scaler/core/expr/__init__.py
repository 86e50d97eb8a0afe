"""The language of formulas: expr's, as far as numbers need it. `scaler.core.formula` is the door."""
