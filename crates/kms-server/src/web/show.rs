//! How things are shown: times, lists in parts.

use kms_core::time::Timestamp;

use super::page::encoded;

/// An instant. The page's script shows it in the zone of whoever looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At {
    pub(super) iso: String,
    pub(super) text: String,
}

impl From<Timestamp> for At {
    fn from(at: Timestamp) -> Self {
        let at = at.utc();
        Self {
            iso: at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            text: at.format("%Y-%m-%d %H:%M UTC").to_string(),
        }
    }
}

/// A part of a long list.
#[derive(Debug, Clone)]
pub(super) struct Paging {
    pub(super) total: usize,
    pub(super) pages: usize,
    page: usize,
    size: usize,
    /// The address, up to and including what comes before the page's number.
    base: String,
}

impl Paging {
    /// The part that `asked` names (from 1), of a list of `total` at `path`, with these parameters.
    pub(super) fn new(total: usize, size: usize, asked: &str, path: &str, parameters: &[(&str, &str)]) -> Self {
        let pages = total.div_ceil(size).max(1);
        let page = asked.parse().unwrap_or(1).clamp(1, pages);
        let mut base = format!("{path}?");
        for (name, value) in parameters {
            if !value.is_empty() {
                base.extend([name, "=", encoded(value).as_str(), "&"]);
            }
        }
        base.push_str("page=");
        Self {
            total,
            pages,
            page,
            size,
            base,
        }
    }

    pub(super) fn offset(&self) -> usize {
        (self.page - 1) * self.size
    }

    pub(super) fn first(&self) -> usize {
        if self.total == 0 { 0 } else { self.offset() + 1 }
    }

    pub(super) fn last(&self) -> usize {
        (self.offset() + self.size).min(self.total)
    }

    pub(super) fn before(&self) -> Option<String> {
        (self.page > 1).then(|| format!("{}{}", self.base, self.page - 1))
    }

    pub(super) fn after(&self) -> Option<String> {
        (self.page < self.pages).then(|| format!("{}{}", self.base, self.page + 1))
    }

    /// The part of `all`.
    pub(super) fn part<T>(&self, all: Vec<T>) -> Vec<T> {
        all.into_iter().skip(self.offset()).take(self.size).collect()
    }
}

/// What stands where an app's logo would: the first two capitals of its name.
pub(super) fn initials(name: &str) -> String {
    name.chars().filter(|letter| letter.is_uppercase()).take(2).collect()
}
