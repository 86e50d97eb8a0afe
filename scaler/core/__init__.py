"""The pure core: what a ScaledObject says, what follows from it, and nothing that touches the world."""
