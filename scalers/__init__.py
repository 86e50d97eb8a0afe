"""Event sources: the SDK, the scalers that ship with Tidegate, their registry and the contract they pass."""
