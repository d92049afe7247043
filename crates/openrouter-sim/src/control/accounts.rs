//! Direct changes of keys and accounts, and the question for orphans.

use uuid::Uuid;

use super::{Control, ControlError, ForeignKey, KeyChange, KeyState, MadeKey, OrphanQuery, Orphans};
use crate::config::{ByokConfig, is_credential};
use crate::key_text::{KeyHash, KeyText};
use crate::money::Usd;
use crate::state::account::{Byok, Origin};
use crate::state::key::{Handover, Key};
use crate::state::usage::{Interval, Usage};
use crate::state::{Holder, KeyRef, NewKey, Spread, World};
use crate::time::Moment;

impl Control {
    /// Compares the caller's knowledge with the state.
    ///
    /// # Errors
    /// There is no such account.
    pub fn orphans(&self, query: &OrphanQuery) -> Result<Orphans, ControlError> {
        let world = self.inner.lock();
        let only = account_of(&world, query.account.as_deref())?;
        let now = world.clock.now();
        let known: std::collections::HashSet<KeyHash> = query.known_hashes.iter().copied().collect();
        let mut orphans = Vec::new();
        for (place, account) in world.accounts.iter().enumerate() {
            if query.account.is_some() && only != place {
                continue;
            }
            for key in &account.keys {
                if key.live() && key.name.starts_with(&query.name_prefix) && !known.contains(&key.hash) {
                    orphans.push(key_state(&world, place, key, now));
                }
            }
        }
        let exists = |hash: &KeyHash| match world.holder(*hash) {
            Some(Holder::Inference(at)) => (query.account.is_none() || at.account == only) && world.key(at).is_some_and(Key::live),
            _ => false,
        };
        let ghosts = query.known_hashes.iter().copied().filter(|hash| !exists(hash)).collect();
        Ok(Orphans { orphans, ghosts })
    }

    /// A key as it is, deleted or not.
    ///
    /// # Errors
    /// There has never been such a key.
    pub fn key(&self, hash: KeyHash) -> Result<KeyState, ControlError> {
        let world = self.inner.lock();
        let at = inference(&world, hash)?;
        let key = world.key(at).ok_or(ControlError::NotFound("key"))?;
        Ok(key_state(&world, at.account, key, world.clock.now()))
    }

    /// Changes a key behind everybody's back, at once and without touching `updated_at`.
    ///
    /// # Errors
    /// There is no such live key.
    pub fn set_key(&self, hash: KeyHash, change: &KeyChange) -> Result<(), ControlError> {
        self.change(|world| {
            let now = world.clock.now();
            let at = inference(world, hash)?;
            let mut key = world
                .key(at)
                .filter(|key| key.live())
                .cloned()
                .ok_or(ControlError::NotFound("key"))?;
            // What lags is shown from here on; a late record would disturb the numbers that are set.
            key.lagging.clear();
            key.shown = key.spent;
            key.shown_byok = key.spent_byok;
            let before = key.spent.total;
            let windows = [
                (Interval::Daily, change.usage_daily),
                (Interval::Weekly, change.usage_weekly),
                (Interval::Monthly, change.usage_monthly),
            ];
            for usage in [&mut key.spent, &mut key.shown] {
                set_usage(usage, change.usage, now);
                for (interval, amount) in windows {
                    if let Some(amount) = amount {
                        usage.set(Some(interval), now, amount);
                    }
                }
            }
            for usage in [&mut key.spent_byok, &mut key.shown_byok] {
                set_usage(usage, change.byok_usage, now);
            }
            let added = key.spent.total - before;
            change.expires_at.apply(&mut key.expires_at, Moment::from_utc);
            change.last_used_at.apply(&mut key.last_used_at, Moment::from_utc);
            if let Some(disabled) = change.disabled {
                world.set_disabled(&mut key, disabled, now, Spread::AtOnce);
            }
            world.replace(at, key);
            if let Some(account) = world.accounts.get_mut(at.account) {
                account.adjust(added);
            }
            Ok(())
        })
    }

    /// Deletes a key behind everybody's back, at once in every view.
    ///
    /// # Errors
    /// There is no such live key.
    pub fn delete_key(&self, hash: KeyHash) -> Result<(), ControlError> {
        self.change(|world| {
            let at = inference(world, hash)?;
            let now = world.clock.now();
            if world.delete(at, now, Spread::AtOnce) {
                Ok(())
            } else {
                Err(ControlError::NotFound("key"))
            }
        })
    }

    /// Makes a key that nobody at the caller's side knows of. It is visible at once.
    ///
    /// # Errors
    /// There is no such account or workspace.
    pub fn create_foreign_key(&self, key: ForeignKey) -> Result<MadeKey, ControlError> {
        self.change(|world| {
            let place = account_of(world, key.account.as_deref())?;
            let account = world.accounts.get(place).ok_or(ControlError::NotFound("account"))?;
            let workspace = match &key.workspace {
                None => 0,
                Some(slug) => {
                    let workspace = account.workspaces.iter().position(|workspace| workspace.slug == *slug);
                    workspace.ok_or(ControlError::NotFound("workspace"))?
                }
            };
            let new = NewKey {
                name: key.name.unwrap_or_else(|| "foreign".to_owned()),
                limit: key.limit,
                limit_reset: None,
                include_byok_in_limit: false,
                expires_at: key.expires_at.map(Moment::from_utc),
                creator_user_id: None,
                workspace,
            };
            let now = world.clock.now();
            let draft = world.draft(place, new, now, Spread::AtOnce);
            let made = MadeKey {
                key: draft.text.clone(),
                hash: draft.key.hash,
                label: draft.key.label.clone(),
            };
            world.commit(place, draft, Handover::Foreign);
            Ok(made)
        })
    }

    /// Accepts a further management key: the given text, or a generated one.
    ///
    /// # Errors
    /// There is no such account, or the text cannot be a credential or is in use.
    pub fn add_provisioning_key(&self, account: Option<&str>, text: Option<KeyText>) -> Result<MadeKey, ControlError> {
        self.change(|world| {
            let place = account_of(world, account)?;
            let text = text.unwrap_or_else(|| world.random.management_key());
            if !is_credential(text.expose()) {
                let message = "key: visible ASCII characters without blanks, at least 8";
                return Err(ControlError::Invalid(message.to_owned()));
            }
            if !world.add_management_key(place, &text, Origin::Added) {
                return Err(ControlError::Invalid("key: is in use".to_owned()));
            }
            let label = crate::key_text::label(text.expose(), world.compat.label);
            Ok(MadeKey {
                hash: text.hash(),
                key: text,
                label,
            })
        })
    }

    /// Revokes a management key at once.
    ///
    /// # Errors
    /// There is no such management key in force.
    pub fn revoke_provisioning_key(&self, hash: KeyHash) -> Result<(), ControlError> {
        self.change(|world| {
            let now = world.clock.now();
            let Some(Holder::Management { account, index }) = world.holder(hash) else {
                return Err(ControlError::NotFound("provisioning key"));
            };
            let key = world
                .accounts
                .get_mut(account)
                .and_then(|account| account.management.get_mut(index));
            let key = key
                .filter(|key| key.revoked_at.is_none())
                .ok_or(ControlError::NotFound("provisioning key"))?;
            key.revoked_at = Some(now);
            Ok(())
        })
    }

    /// Sets the purchased credits of an account.
    ///
    /// # Errors
    /// There is no such account.
    pub fn set_credits(&self, account: Option<&str>, credits: Usd) -> Result<(), ControlError> {
        self.change(|world| {
            let place = account_of(world, account)?;
            if let Some(account) = world.accounts.get_mut(place) {
                account.credits = credits;
            }
            Ok(())
        })
    }

    /// Adds a provider credential (BYOK) to an account; returns its id.
    ///
    /// # Errors
    /// There is no such account or workspace.
    pub fn add_byok(&self, account: Option<&str>, byok: ByokConfig) -> Result<Uuid, ControlError> {
        self.change(|world| {
            let place = account_of(world, account)?;
            let id = world.random.uuid();
            let created_at = world.clock.now();
            let account = world.accounts.get_mut(place).ok_or(ControlError::NotFound("account"))?;
            let slug = byok.workspace.as_deref().unwrap_or(crate::config::DEFAULT_WORKSPACE);
            let workspace = account.workspaces.iter().position(|workspace| workspace.slug == slug);
            let workspace = workspace.ok_or(ControlError::NotFound("workspace"))?;
            account.byok.push(Byok {
                id,
                provider: byok.provider,
                name: byok.name,
                workspace,
                created_at,
                allowed_api_key_hashes: None,
            });
            Ok(id)
        })
    }
}

fn set_usage(usage: &mut Usage, amount: Option<Usd>, now: Moment) {
    let Some(amount) = amount else { return };
    for interval in [None, Some(Interval::Daily), Some(Interval::Weekly), Some(Interval::Monthly)] {
        usage.set(interval, now, amount);
    }
}

fn account_of(world: &World, name: Option<&str>) -> Result<usize, ControlError> {
    match name {
        None => Ok(0),
        Some(name) => world.account_named(name).ok_or(ControlError::NotFound("account")),
    }
}

fn inference(world: &World, hash: KeyHash) -> Result<KeyRef, ControlError> {
    match world.holder(hash) {
        Some(Holder::Inference(at)) => Ok(at),
        _ => Err(ControlError::NotFound("key")),
    }
}

fn key_state(world: &World, place: usize, key: &Key, now: Moment) -> KeyState {
    let account = world.accounts.get(place);
    let workspace = account.and_then(|account| account.workspaces.get(key.workspace));
    KeyState {
        hash: key.hash,
        label: key.label.clone(),
        name: key.name.clone(),
        account: account.map(|account| account.name.clone()).unwrap_or_default(),
        workspace: workspace.map(|workspace| workspace.slug.clone()).unwrap_or_default(),
        disabled: key.disabled,
        created_at: key.created_at.plain(),
        expires_at: key.expires_at.map(Moment::plain),
        deleted_at: key.deletion.map(|deletion| deletion.at.plain()),
        undelivered: key.handover == Handover::Lost,
        accepted: key.authenticate(now, &world.compat).is_ok(),
        usage: key.spent.total,
    }
}
