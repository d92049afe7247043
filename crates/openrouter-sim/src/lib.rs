//! A stand-in for OpenRouter that misbehaves on command.
