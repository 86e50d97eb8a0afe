"""Pure helpers that the SDK, the scalers and the core share: no IO, no clock, no randomness, no logging."""
