//! Lists keys across pages and workspaces.
//!
//! OpenRouter pages by offset, newest first, 100 to a page, with no total. A deletion between two pages moves later keys forward,
//! past the reader. So each page is asked for one key early and must show a key that was seen already; if it shows none, keys have
//! moved, and the reader steps back a page. What is seen twice counts once.

use std::collections::HashSet;

use http::{Method, StatusCode};
use kms_core::secret::SecretString;

use super::calls::{self, Api, Request};
use super::wire::{self, KeyEntry, KeyPage, WorkspacePage};
use crate::exchange::Verb;
use crate::marker::Marker;
use crate::outcome::CallError;
use crate::rotator::{Found, Outbound, SweepScope};

/// Keys or workspaces on a full page.
const PAGE: usize = 100;
/// Requests that one listing makes at most. A million keys.
const MOST_REQUESTS: usize = 10_000;
/// How often a listing steps back at most. Beyond that it goes on: the next sweep looks again.
const MOST_STEPS_BACK: usize = 100;
/// Full pages without anything new, one after another, that show that the offset is not honoured.
const MOST_STALE_PAGES: usize = 3;

/// A listing under way.
pub(super) struct Listing<'a> {
    api: &'a Api,
    outbound: &'a Outbound<'a>,
    key: &'a SecretString,
    requests: usize,
    /// Hashes in `found`: a workspace may be listed twice.
    listed: HashSet<String>,
    found: Vec<Found>,
}

impl<'a> Listing<'a> {
    pub(super) fn new(api: &'a Api, outbound: &'a Outbound<'a>, key: &'a SecretString) -> Self {
        Self {
            api,
            outbound,
            key,
            requests: 0,
            listed: HashSet::new(),
            found: Vec::new(),
        }
    }

    /// Every key with a marker.
    pub(super) async fn run(mut self, scope: SweepScope) -> Result<Vec<Found>, CallError> {
        // Without a workspace in the question: the default one, where keys are created.
        self.keys_of(None).await?;
        if scope == SweepScope::Everywhere {
            for workspace in self.workspaces().await? {
                self.keys_of(Some(&workspace)).await?;
            }
        }
        Ok(self.found)
    }

    async fn keys_of(&mut self, workspace: Option<&str>) -> Result<(), CallError> {
        let mut seen = HashSet::new();
        let mut offset = 0;
        let mut steps_back = 0;
        let mut stale_pages = 0;
        loop {
            let page = self.page_of_keys(workspace, offset).await?;
            let length = page.len();
            let mut overlaps = offset == 0;
            let mut news = false;
            for hash in self.take(page)? {
                if seen.insert(hash) {
                    news = true;
                } else {
                    overlaps = true;
                }
            }
            if !overlaps && steps_back < MOST_STEPS_BACK {
                steps_back += 1;
                offset = offset.saturating_sub(PAGE);
                continue;
            }
            if length < PAGE {
                return Ok(());
            }
            stale_pages = if news { 0 } else { stale_pages + 1 };
            if stale_pages > MOST_STALE_PAGES + steps_back {
                return Err(calls::unreadable("an end: its pages repeat"));
            }
            offset += PAGE - 1;
        }
    }

    /// Keeps what carries a marker, each key once. Gives all the page's hashes.
    fn take(&mut self, page: Vec<KeyEntry>) -> Result<Vec<String>, CallError> {
        let mut hashes = Vec::with_capacity(page.len());
        for entry in page {
            let marker = entry.name.as_deref().and_then(Marker::find_in);
            match entry.hash.filter(|hash| calls::is_handle(hash)) {
                Some(hash) => {
                    if let Some(marker) = marker
                        && self.listed.insert(hash.clone())
                    {
                        self.found.push(Found {
                            handle: hash.clone(),
                            marker,
                        });
                    }
                    hashes.push(hash);
                }
                // A key of ours that could not be named again must not pass as absent.
                None if marker.is_some() => return Err(calls::unreadable("the hash of a key")),
                None => {}
            }
        }
        Ok(hashes)
    }

    async fn page_of_keys(&mut self, workspace: Option<&str>, offset: usize) -> Result<Vec<KeyEntry>, CallError> {
        let offset = offset.to_string();
        let mut query = vec![
            ("offset", offset.as_str()),
            ("include_disabled", "true"),
            ("include_expired", "true"),
        ];
        query.extend(workspace.map(|workspace| ("workspace_id", workspace)));
        let page: KeyPage = self.page("keys", &query).await?;
        Ok(page.data)
    }

    async fn workspaces(&mut self) -> Result<Vec<String>, CallError> {
        let mut ids: Vec<String> = Vec::new();
        let mut offset = 0;
        loop {
            let text = offset.to_string();
            let page: WorkspacePage = self.page("workspaces", &[("offset", text.as_str()), ("limit", "100")]).await?;
            let length = page.data.len();
            for workspace in page.data {
                if !ids.contains(&workspace.id) {
                    ids.push(workspace.id);
                }
            }
            offset += length;
            // The service may give fewer than were asked for; then only its total tells the end.
            let more = page.total_count.map_or(length >= PAGE, |total| offset < total);
            if length == 0 || !more {
                return Ok(ids);
            }
        }
    }

    async fn page<T: serde::de::DeserializeOwned>(&mut self, path: &str, query: &[(&str, &str)]) -> Result<T, CallError> {
        self.requests += 1;
        if self.requests > MOST_REQUESTS {
            return Err(calls::unreadable("an end: the listing is too long"));
        }
        let segments = [path];
        let request = Request {
            query,
            ..Request::bare(Verb::Sweep, Method::GET, &segments, self.key)
        };
        let answer = calls::answered(self.api.read(self.outbound, &request).await, &[self.key])?;
        if answer.status != StatusCode::OK {
            return Err(calls::call_error(&answer, &format!("list the {path}"), &[self.key]));
        }
        wire::read(&answer.body).ok_or_else(|| calls::unreadable("a readable list"))
    }
}
