//! Names, slugs and paths: parsed once at the edge, never checked again (`core-api.md` §2.6).

use std::fmt;

/// Why a name was refused: a machine-readable code as in schema errors, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NameError {
    /// `too_small`, `too_big` or `invalid_string`.
    pub code: &'static str,
    /// For people.
    pub message: &'static str,
}

const fn too_small(message: &'static str) -> NameError {
    NameError {
        code: "too_small",
        message,
    }
}
const fn too_big(message: &'static str) -> NameError {
    NameError { code: "too_big", message }
}
const fn invalid(message: &'static str) -> NameError {
    NameError {
        code: "invalid_string",
        message,
    }
}

macro_rules! text_types {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Takes text that was checked before it was stored.
            pub fn from_stored(text: String) -> Self {
                Self(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    )+};
}

text_types! {
    /// Name of an App Connection or Secret Rotation: 1 to 64 lower-case letters, digits and single hyphens between them.
    ResourceName,
    /// Slug of an organization or project: lower-case letters, digits, hyphens.
    Slug,
    /// Slug of an environment: 1 to 64 lower-case letters, digits, hyphens.
    EnvironmentSlug,
    /// Name of a folder: letters, digits, `-` and `_`.
    FolderName,
    /// Name of a secret: no white space, `:` or `/`, at most 255 characters.
    SecretName,
    /// Absolute path of a folder: `/` or `/a/b`, without a trailing slash.
    SecretPath,
    /// An e-mail address, trimmed and lower-cased.
    Email,
}

impl ResourceName {
    /// Trims and checks. Capitals are refused, not lowered.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(too_small("must have at least 1 character"));
        }
        if text.len() > 64 {
            return Err(too_big("must have at most 64 characters"));
        }
        let characters = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !characters || text.starts_with('-') || text.ends_with('-') || text.contains("--") {
            return Err(invalid(
                "must be a slug: lower-case letters, digits and single hyphens between them",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

fn slug(text: &str, least: usize, most: usize) -> Result<String, NameError> {
    let text = text.trim().to_lowercase();
    if text.len() < least {
        return Err(too_small("the slug is too short"));
    }
    if text.len() > most {
        return Err(too_big("the slug is too long"));
    }
    if text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        Ok(text)
    } else {
        Err(invalid("must be a slug: letters, digits and hyphens"))
    }
}

impl Slug {
    /// Trims, lowers and checks; `least..=most` characters.
    pub fn parse(text: &str, least: usize, most: usize) -> Result<Self, NameError> {
        slug(text, least, most).map(Self)
    }

    /// A slug made from a free name: its letters and digits, hyphens for the rest, at most 24 characters, then `-` and `suffix`.
    pub fn generate(name: &str, suffix: &str) -> Self {
        let mut base = String::new();
        for character in name.to_lowercase().chars() {
            if character.is_ascii_alphanumeric() {
                base.push(character);
            } else if !base.is_empty() && !base.ends_with('-') {
                base.push('-');
            }
            if base.len() >= 24 {
                break;
            }
        }
        let base = base.trim_end_matches('-');
        Self(if base.is_empty() {
            suffix.to_owned()
        } else {
            format!("{base}-{suffix}")
        })
    }
}

impl EnvironmentSlug {
    /// Trims, lowers and checks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        slug(text, 1, 64).map(Self)
    }
}

impl FolderName {
    /// Checks; 1 to 255 characters.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(too_small("a folder name must have at least 1 character"));
        }
        if text.len() > 255 {
            return Err(too_big("a folder name must have at most 255 characters"));
        }
        if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid("a folder name has only letters, digits, hyphens and underscores"))
        }
    }
}

impl SecretName {
    /// Trims and checks a name that is to be created.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(too_small("a secret name must have at least 1 character"));
        }
        if text.chars().count() > 255 {
            return Err(too_big("a secret name must have at most 255 characters"));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == ':' || c == '/') {
            return Err(invalid("a secret name has no spaces, ':' or '/'"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Takes a name that is only looked up; it need not satisfy the rule for new names.
    pub fn wanted(text: &str) -> Self {
        Self(text.trim().to_owned())
    }
}

impl SecretPath {
    /// The root of an environment.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Normalises: leading slash added, trailing and doubled slashes removed; empty means the root.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut path = String::new();
        for segment in text.trim().split('/').filter(|segment| !segment.is_empty()) {
            if segment.chars().any(char::is_control) {
                return Err(invalid("a path has no control characters"));
            }
            path.push('/');
            path.push_str(segment);
        }
        if path.len() > 4096 {
            return Err(too_big("a path must have at most 4096 characters"));
        }
        Ok(Self(if path.is_empty() { "/".to_owned() } else { path }))
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The folder names from the root down.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }

    /// The path one level down.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        if self.is_root() {
            Self(format!("/{name}"))
        } else {
            Self(format!("{}/{name}", self.0))
        }
    }

    /// The path one level up, and the last name; `None` at the root.
    pub fn split_last(&self) -> Option<(Self, &str)> {
        if self.is_root() {
            return None;
        }
        let (parent, name) = self.0.rsplit_once('/')?;
        Some((Self(if parent.is_empty() { "/".to_owned() } else { parent.to_owned() }), name))
    }

    /// Whether this is `other` or lies below it.
    pub fn is_within(&self, other: &Self) -> bool {
        other.is_root() || self.0 == other.0 || self.0.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl Email {
    /// Trims, lowers and checks the rough shape (`local@domain`, at most 254 bytes).
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.trim().to_lowercase();
        if text.len() > 254 {
            return Err(too_big("an e-mail address has at most 254 characters"));
        }
        let shape = text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !domain.starts_with('.') && !domain.ends_with('.')
        });
        if !shape || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(invalid("not an e-mail address"));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("router-prod", true)]
    #[case(" a ", true)]
    #[case("a-b-c1", true)]
    #[case("", false)]
    #[case("Router", false)]
    #[case("a--b", false)]
    #[case("-a", false)]
    #[case("a-", false)]
    #[case("a_b", false)]
    fn resource_names(#[case] text: &str, #[case] good: bool) {
        assert_eq!(ResourceName::parse(text).is_ok(), good, "{text:?}");
    }

    #[test]
    fn resource_names_have_at_most_64_characters() {
        assert!(ResourceName::parse(&"a".repeat(64)).is_ok());
        assert_eq!(ResourceName::parse(&"a".repeat(65)).unwrap_err().code, "too_big");
    }

    #[rstest]
    #[case("", "/")]
    #[case("/", "/")]
    #[case("a", "/a")]
    #[case("/a/b/", "/a/b")]
    #[case("//a///b//", "/a/b")]
    fn paths(#[case] text: &str, #[case] normal: &str) {
        assert_eq!(SecretPath::parse(text).unwrap().as_str(), normal);
    }

    #[test]
    fn within_means_below_or_the_same() {
        let path = |text| SecretPath::parse(text).unwrap();
        assert!(path("/a/b").is_within(&path("/a")));
        assert!(path("/a").is_within(&path("/a")));
        assert!(path("/a").is_within(&path("/")));
        assert!(!path("/ab").is_within(&path("/a")));
        assert!(!path("/").is_within(&path("/a")));
    }

    #[test]
    fn a_slug_is_made_from_any_name() {
        assert_eq!(Slug::generate("My Shop & Co.", "x1y2").as_str(), "my-shop-co-x1y2");
        assert_eq!(Slug::generate("💥", "x1y2").as_str(), "x1y2");
    }

    proptest! {
        #[test]
        fn normalising_a_path_twice_changes_nothing(text in "\\PC{0,40}") {
            if let Ok(path) = SecretPath::parse(&text) {
                prop_assert_eq!(SecretPath::parse(path.as_str()).unwrap(), path.clone());
                if let Some((parent, name)) = path.split_last() {
                    prop_assert_eq!(parent.join(name), path);
                }
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,300}") {
            let _ = ResourceName::parse(&text);
            let _ = SecretName::parse(&text);
            let _ = FolderName::parse(&text);
            let _ = Email::parse(&text);
            let _ = EnvironmentSlug::parse(&text);
            let _ = Slug::generate(&text, "abcd");
        }
    }
}
