//! `/credits`.

use serde::Serialize;

use super::answer::{Answer, Refusal};
use crate::money::Usd;
use crate::state::World;
use crate::time::Moment;

/// GET `/credits`.
pub(super) fn show(world: &mut World, account: usize, now: Moment) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Data {
        data: Credits,
    }
    #[derive(Serialize)]
    struct Credits {
        total_credits: Usd,
        total_usage: Usd,
    }

    let account = world.accounts.get_mut(account).ok_or_else(|| Refusal::not_found("Not Found"))?;
    let total_usage = account.total_usage(now);
    Answer::json(&Data {
        data: Credits {
            total_credits: account.credits,
            total_usage,
        },
    })
}
