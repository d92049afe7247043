//! The state file: everything but plaintext keys, rules and events.
//!
//! It is replaced as a whole by writing a new file and renaming it, so a reader sees the old state or the new
//! one. A file that cannot be understood stops the start: to begin empty in its place would look like lost
//! keys.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::account::{Account, Byok, DayUse, Guardrail, Listed, ManagementKey, Origin, Workspace};
use super::key::Key;
use super::{Holder, KeyRef, World};
use crate::api::models::{self, MODELS};
use crate::error::SimError;
use crate::money::{Usd, exact};
use crate::random::RandomPosition;
use crate::stats::{AuthFailure, AuthGroup, CompletionCounts, RequestKey};
use crate::time::{ClockSetting, Moment};

/// Number of the file's format.
const FORMAT: u32 = 1;

/// The content of a state file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateFile {
    format: u32,
    random: RandomPosition,
    clock: ClockSetting,
    changes: u64,
    peak_live: u64,
    last_event: u64,
    accounts: Vec<AccountState>,
    stats: StatsState,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountState {
    name: String,
    user_id: String,
    #[serde(with = "exact")]
    spent: Usd,
    management: Vec<ManagementKey>,
    workspaces: Vec<WorkspaceState>,
    keys: Vec<Key>,
    guardrails: Vec<Guardrail>,
    byok: Vec<Byok>,
    peak_live: u64,
    free_requests: (i64, u64),
    activity: Vec<ActivityState>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkspaceState {
    id: Uuid,
    slug: String,
    created_at: Moment,
    default_guardrail_id: Uuid,
    /// Place of each listed key and what the listing knows of it.
    listing: Vec<(usize, Listed)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivityState {
    day: i64,
    model: String,
    slot: usize,
    workspace: usize,
    used: DayUse,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatsState {
    requests: Vec<(RequestKey, u64)>,
    max_in_flight: u64,
    effects_without_reply: BTreeMap<String, u64>,
    auth_failures: Vec<(AuthGroup, AuthFailure, u64)>,
    completions: CompletionCounts,
}

impl StateFile {
    /// A copy of the world as it is.
    pub(crate) fn of(world: &World) -> Self {
        let stats = &world.stats;
        Self {
            format: FORMAT,
            random: world.random.position(),
            clock: world.clock.setting(),
            changes: world.changes,
            peak_live: world.peak_live,
            last_event: world.events.last_seq(),
            accounts: world.accounts.iter().map(AccountState::of).collect(),
            stats: StatsState {
                requests: stats.requests().into_iter().collect(),
                max_in_flight: stats.max_in_flight,
                effects_without_reply: stats.effects_without_reply.clone(),
                auth_failures: stats
                    .auth_failures
                    .iter()
                    .map(|((group, reason), count)| (*group, *reason, *count))
                    .collect(),
                completions: stats.completions,
            },
        }
    }

    /// Reads a file; `None` if there is none yet.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, SimError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(SimError::File {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let damaged = |reason: String| SimError::State {
            path: path.to_owned(),
            reason,
        };
        let state: Self = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if state.format != FORMAT {
            return Err(damaged(format!("format {}, expected {FORMAT}", state.format)));
        }
        for account in &state.accounts {
            account
                .check()
                .map_err(|what| damaged(format!("account {}: {what}", account.name)))?;
        }
        Ok(Some(state))
    }

    /// Replaces the file.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new: PathBuf = path.with_file_name(name);
        let mut file = io::BufWriter::new(fs::File::create(&new)?);
        serde_json::to_writer(&mut file, self)?;
        file.flush()?;
        drop(file);
        fs::rename(new, path)
    }
}

impl AccountState {
    fn of(account: &Account) -> Self {
        Self {
            name: account.name.clone(),
            user_id: account.user_id.clone(),
            spent: account.spent,
            management: account.management.clone(),
            workspaces: account
                .workspaces
                .iter()
                .map(|workspace| WorkspaceState {
                    id: workspace.id,
                    slug: workspace.slug.clone(),
                    created_at: workspace.created_at,
                    default_guardrail_id: workspace.default_guardrail_id,
                    listing: workspace.listing.iter().map(|((_, slot), listed)| (*slot, *listed)).collect(),
                })
                .collect(),
            keys: account.keys.clone(),
            guardrails: account.guardrails.clone(),
            byok: account.byok.clone(),
            peak_live: account.peak_live,
            free_requests: account.free_requests,
            activity: account
                .activity
                .iter()
                .filter_map(|((day, model, slot, workspace), used)| {
                    let model = MODELS.get(*model)?.id.to_owned();
                    Some(ActivityState {
                        day: *day,
                        model,
                        slot: *slot,
                        workspace: *workspace,
                        used: *used,
                    })
                })
                .collect(),
        }
    }

    /// Whether every place that is referred to exists.
    fn check(&self) -> Result<(), &'static str> {
        let keys = self.keys.len();
        let workspaces = self.workspaces.len();
        let key_fits = |(place, key): (usize, &Key)| {
            key.slot == place && key.workspace < workspaces && key.guardrail.is_none_or(|guardrail| guardrail < self.guardrails.len())
        };
        let guardrail_fits = |guardrail: &Guardrail| {
            guardrail.workspace < workspaces && guardrail.assignments.iter().all(|assignment| assignment.slot < keys)
        };
        if workspaces == 0 {
            return Err("no workspace");
        }
        if !self.keys.iter().enumerate().all(key_fits) {
            return Err("a key refers to something that is not there");
        }
        if !self.guardrails.iter().all(guardrail_fits) {
            return Err("a guardrail refers to something that is not there");
        }
        if self.byok.iter().any(|byok| byok.workspace >= workspaces) {
            return Err("a provider credential refers to something that is not there");
        }
        if self
            .workspaces
            .iter()
            .flat_map(|workspace| &workspace.listing)
            .any(|(slot, _)| *slot >= keys)
        {
            return Err("a listing refers to a key that is not there");
        }
        let mut hashes = HashSet::new();
        let all = self
            .keys
            .iter()
            .map(|key| key.hash)
            .chain(self.management.iter().map(|key| key.hash));
        if !all.into_iter().all(|hash| hashes.insert(hash)) {
            return Err("two keys have the same hash");
        }
        Ok(())
    }
}

impl World {
    /// Goes on from a state file. Credits and management keys follow the configuration; workspaces and
    /// provider credentials that the configuration adds are added.
    ///
    /// # Errors
    /// A sentence: the file and the configuration do not fit together.
    pub(crate) fn restore(&mut self, state: StateFile) -> Result<(), String> {
        self.random.restore(&state.random);
        self.clock.restore(state.clock);
        self.changes = state.changes;
        self.peak_live = state.peak_live;
        self.events.restore(state.last_event);
        self.stats.restore_requests(state.stats.requests.into_iter().collect());
        self.stats.max_in_flight = state.stats.max_in_flight;
        self.stats.effects_without_reply = state.stats.effects_without_reply;
        self.stats.auth_failures = state
            .stats
            .auth_failures
            .into_iter()
            .map(|(group, reason, count)| ((group, reason), count))
            .collect();
        self.stats.completions = state.stats.completions;
        for account in state.accounts {
            let Some(place) = self.account_named(&account.name) else {
                return Err(format!("it holds account {}, which is not configured", account.name));
            };
            self.restore_account(place, account);
        }
        self.live = self.accounts.iter().map(|account| account.live).sum();
        self.holders.clear();
        for (account, owner) in self.accounts.iter().enumerate() {
            for (index, key) in owner.management.iter().enumerate() {
                self.holders.insert(key.hash, Holder::Management { account, index });
            }
            for key in &owner.keys {
                if self
                    .holders
                    .insert(key.hash, Holder::Inference(KeyRef { account, slot: key.slot }))
                    .is_some()
                {
                    return Err(format!("a key of account {} has the hash of another key", owner.name));
                }
            }
        }
        Ok(())
    }

    fn restore_account(&mut self, place: usize, state: AccountState) {
        let keeps_user_id = self.config.accounts.get(place).is_some_and(|config| config.user_id.is_none());
        let Some(account) = self.accounts.get_mut(place) else {
            return;
        };
        if keeps_user_id {
            account.user_id = state.user_id;
        }
        account.restore_spent(state.spent);
        account.live = u64::try_from(state.keys.iter().filter(|key| key.live()).count()).unwrap_or(u64::MAX);
        account.peak_live = state.peak_live;
        account.free_requests = state.free_requests;

        let configured = std::mem::take(&mut account.management);
        for key in &configured {
            let known = state.management.iter().find(|known| known.hash == key.hash);
            account.management.push(known.unwrap_or(key).clone());
        }
        let others = state
            .management
            .into_iter()
            .filter(|key| key.origin == Origin::Added && configured.iter().all(|configured| configured.hash != key.hash));
        account.management.extend(others);

        let mut workspaces: Vec<Workspace> = Vec::with_capacity(state.workspaces.len());
        for kept in state.workspaces {
            let mut workspace = Workspace::new(kept.id, kept.slug, kept.default_guardrail_id, kept.created_at);
            for (slot, listed) in kept.listing {
                let Some(key) = state.keys.get(slot) else {
                    continue;
                };
                workspace.listing.insert((key.created_at, slot), listed);
                if let Some(until) = listed.until {
                    workspace.leaving.insert((until, slot), key.created_at);
                }
            }
            workspaces.push(workspace);
        }
        let former = std::mem::take(&mut account.workspaces);
        let slug_of = |place: usize| former.get(place).map(|workspace| workspace.slug.clone());
        for added in &former {
            if workspaces.iter().all(|workspace| workspace.slug != added.slug) {
                // The ids drawn at the start may have been used before by this seed.
                let (id, guardrail) = (self.random.uuid(), self.random.uuid());
                workspaces.push(Workspace::new(id, added.slug.clone(), guardrail, added.created_at));
            }
        }
        let configured = std::mem::replace(&mut account.byok, state.byok);
        for byok in configured {
            if account
                .byok
                .iter()
                .any(|kept| kept.provider == byok.provider && kept.name == byok.name)
            {
                continue;
            }
            let slug = slug_of(byok.workspace);
            let workspace = workspaces.iter().position(|workspace| Some(&workspace.slug) == slug.as_ref());
            account.byok.push(Byok {
                id: self.random.uuid(),
                workspace: workspace.unwrap_or(0),
                ..byok
            });
        }
        account.workspaces = workspaces;
        account.keys = state.keys;
        account.guardrails = state.guardrails;
        account.activity = state
            .activity
            .into_iter()
            .filter_map(|entry| {
                let (model, _) = models::find(&entry.model)?;
                Some(((entry.day, model, entry.slot, entry.workspace), entry.used))
            })
            .collect();
    }
}
