//! Keyring, sealing, passwords and tokens: the part an outsider would audit.
