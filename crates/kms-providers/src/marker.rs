//! The marker: a short suffix in the name that a key gets at its provider. It names the installation and the attempt, so that a
//! key whose creation was never answered can be found again, and only ever by the installation that made it.

use std::fmt;
use std::str::FromStr;

/// Marks one attempt of one installation: ` [kms-<installation>-<attempt>]`, both lower-case base 32 (Crockford) without
/// look-alikes, 8 and 16 characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Marker {
    installation: String,
    attempt: String,
}

/// The text is no marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a marker")]
pub struct NotAMarker;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const INSTALLATION: usize = 8;
const ATTEMPT: usize = 16;

fn valid(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

/// `length` random characters of the marker alphabet, from as many random bytes (the low five bits of each count).
pub fn random_part(entropy: &dyn kms_core::entropy::Entropy, length: usize) -> String {
    let mut bytes = vec![0_u8; length];
    entropy.fill(&mut bytes);
    bytes
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte & 31)))
        .map(|byte| char::from(*byte))
        .collect()
}

impl Marker {
    /// Bytes that [`Marker::suffix`] adds to a name.
    pub const SUFFIX_LENGTH: usize = " [kms-".len() + INSTALLATION + 1 + ATTEMPT + 1;
    /// Length of the installation's part.
    pub const INSTALLATION_LENGTH: usize = INSTALLATION;

    /// A fresh marker of `installation` (8 characters of the alphabet).
    pub fn random(installation: &str, entropy: &dyn kms_core::entropy::Entropy) -> Result<Self, NotAMarker> {
        Self::new(installation, &random_part(entropy, ATTEMPT))
    }

    /// A marker from its parts.
    pub fn new(installation: &str, attempt: &str) -> Result<Self, NotAMarker> {
        if valid(installation, INSTALLATION) && valid(attempt, ATTEMPT) {
            Ok(Self {
                installation: installation.to_owned(),
                attempt: attempt.to_owned(),
            })
        } else {
            Err(NotAMarker)
        }
    }

    /// The installation that made the attempt.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// What is appended to the configured name.
    pub fn suffix(&self) -> String {
        format!(" [{self}]")
    }

    /// `name` with the suffix, the name shortened (at a character boundary) so that the whole has at most `limit` characters.
    pub fn mark(&self, name: &str, limit: usize) -> String {
        let room = limit.saturating_sub(Self::SUFFIX_LENGTH);
        let kept: String = name.chars().take(room).collect();
        format!("{}{}", kept.trim_end(), self.suffix())
    }

    /// The marker at the end of a provider-side name, if there is one.
    pub fn find_in(name: &str) -> Option<Self> {
        let start = name.rfind(" [kms-")?;
        name.get(start + 2..name.len().checked_sub(1)?)
            .filter(|_inner| name.ends_with(']'))?
            .parse()
            .ok()
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kms-{}-{}", self.installation, self.attempt)
    }
}

impl fmt::Debug for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Marker({self})")
    }
}

impl FromStr for Marker {
    type Err = NotAMarker;
    fn from_str(text: &str) -> Result<Self, NotAMarker> {
        let rest = text.strip_prefix("kms-").ok_or(NotAMarker)?;
        let (installation, attempt) = rest.split_once('-').ok_or(NotAMarker)?;
        Self::new(installation, attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_name_shows_its_marker_and_fits() {
        let marker = Marker::new("0123abcd", "0123456789abcdef").unwrap();
        let long = "ü".repeat(100);
        let name = marker.mark(&long, 100);
        assert_eq!(name.chars().count(), 100);
        assert_eq!(Marker::find_in(&name), Some(marker.clone()));
        assert_eq!(marker.mark("gateway-prod", 100), "gateway-prod [kms-0123abcd-0123456789abcdef]");
    }

    #[test]
    fn other_names_have_none() {
        for name in [
            "",
            "]",
            " [kms-]",
            "x [kms-0123abcd-0123456789abcdef",
            "x [kms-0123abcd-0123456789abcdeO]",
            "x [kms-0123ABCD-0123456789abcdef]",
        ] {
            assert_eq!(Marker::find_in(name), None, "{name}");
        }
    }
}
