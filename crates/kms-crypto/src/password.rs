//! Passwords of people: Argon2id, kept as PHC strings.
//!
//! A check takes tens of milliseconds and 19 MiB: callers run it on a blocking thread and bound how many run at once.

use std::fmt;

use argon2::password_hash::phc;
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use kms_core::entropy::Entropy;
use kms_core::secret::SecretString;
use zeroize::Zeroizing;

use crate::digest::constant_time_eq;
use crate::fatal::abort;

const SALT_LEN: usize = 16;
const OUTPUT_LEN: usize = 32;

/// A stored hash may ask for this much at most: the database is not trusted to keep a login from ending.
const MAX_MEMORY_KIB: u32 = 1 << 20;
const MAX_PASSES: u32 = 32;
const MAX_LANES: u32 = 16;

/// A password's hash: a PHC string with algorithm, cost and salt.
#[derive(Clone)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes back what [`PasswordHash::as_str`] gave to the store. Anything else is accepted here and matches no password.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text to store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

/// What one hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory in KiB, 8 to 1,048,576 (and at least 8 for each lane).
    pub memory_kib: u32,
    /// Passes over the memory, 1 to 32.
    pub passes: u32,
    /// Lanes, 1 to 16.
    pub lanes: u32,
}

impl Default for PasswordCost {
    /// 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self {
            memory_kib: 19 * 1024,
            passes: 2,
            lanes: 1,
        }
    }
}

/// The cost lies outside what Argon2id or this crate allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cost of password hashing is out of range")]
pub struct InvalidPasswordCost;

/// The answer to a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum PasswordCheck {
    /// Not the password (or the stored hash is unreadable).
    Wrong,
    /// The password.
    Right,
    /// The password, but its hash has another cost than new ones get: hash it again and store that.
    RightButOutdated,
}

/// Hashes and checks passwords.
#[derive(Debug, Clone, Default)]
pub struct Passwords {
    cost: PasswordCost,
}

impl Passwords {
    /// New hashes cost `cost`; the default is right for nearly everybody.
    pub fn new(cost: PasswordCost) -> Result<Self, InvalidPasswordCost> {
        argon2(cost).ok_or(InvalidPasswordCost)?;
        Ok(Self { cost })
    }

    /// The lowest cost there is: worthless as protection, quick in tests.
    #[cfg(feature = "testing")]
    pub fn fast_for_tests() -> Self {
        Self {
            cost: PasswordCost {
                memory_kib: 8,
                passes: 1,
                lanes: 1,
            },
        }
    }

    /// Hashes a password with a fresh salt.
    pub fn hash(&self, password: &SecretString, entropy: &dyn Entropy) -> PasswordHash {
        let mut salt = [0; SALT_LEN];
        entropy.fill(&mut salt);
        let PasswordCost { memory_kib, passes, lanes } = self.cost;
        let output = digest(self.cost, password, &salt).unwrap_or_else(|| abort("hashing a password failed"));
        PasswordHash(format!(
            "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${}${}",
            STANDARD_NO_PAD.encode(salt),
            STANDARD_NO_PAD.encode(output.as_slice())
        ))
    }

    /// Checks a password against its hash.
    pub fn verify(&self, password: &SecretString, hash: &PasswordHash) -> PasswordCheck {
        let Some(stored) = Stored::parse(&hash.0) else {
            self.verify_nobody(password);
            return PasswordCheck::Wrong;
        };
        let right =
            digest(stored.cost, password, &stored.salt).is_some_and(|output| constant_time_eq(output.as_slice(), stored.output.as_slice()));
        match right {
            false => PasswordCheck::Wrong,
            true if stored.cost == self.cost && stored.salt.len() >= SALT_LEN => PasswordCheck::Right,
            true => PasswordCheck::RightButOutdated,
        }
    }

    /// Spends the time of a check where there is no hash, so that an unknown user looks like a wrong password.
    pub fn verify_nobody(&self, password: &SecretString) {
        std::hint::black_box(digest(self.cost, password, &[0; SALT_LEN]));
    }
}

/// A stored hash, taken apart.
struct Stored {
    cost: PasswordCost,
    salt: phc::Salt,
    output: Zeroizing<[u8; OUTPUT_LEN]>,
}

impl Stored {
    fn parse(text: &str) -> Option<Self> {
        let hash = phc::PasswordHash::new(text).ok()?;
        let current_version = hash.version == Some(Version::V0x13.into());
        if hash.algorithm != ARGON2ID_IDENT || !current_version {
            return None;
        }
        let params = Params::try_from(&hash.params).ok()?;
        Some(Self {
            cost: PasswordCost {
                memory_kib: params.m_cost(),
                passes: params.t_cost(),
                lanes: params.p_cost(),
            },
            salt: hash.salt?,
            output: Zeroizing::new(hash.hash?.as_bytes().try_into().ok()?),
        })
    }
}

/// Argon2id at `cost`; `None` if that is out of range.
fn argon2(cost: PasswordCost) -> Option<Argon2<'static>> {
    let PasswordCost { memory_kib, passes, lanes } = cost;
    if memory_kib > MAX_MEMORY_KIB || passes > MAX_PASSES || lanes > MAX_LANES {
        return None;
    }
    let params = Params::new(memory_kib, passes, lanes, Some(OUTPUT_LEN)).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The hash itself; `None` if the cost is out of range or its memory is not to be had.
fn digest(cost: PasswordCost, password: &SecretString, salt: &[u8]) -> Option<Zeroizing<[u8; OUTPUT_LEN]>> {
    let mut output = Zeroizing::new([0; OUTPUT_LEN]);
    argon2(cost)?
        .hash_password_into(password.expose().as_bytes(), salt, output.as_mut_slice())
        .ok()?;
    Some(output)
}
