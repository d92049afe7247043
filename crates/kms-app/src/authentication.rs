//! From a token to an [`Actor`].

use kms_core::audit::Origin;

use crate::actor::Actor;
use crate::{App, Error};

impl App {
    /// Who presents this token.
    pub async fn authenticate(&self, _token: &str, _origin: Origin) -> Result<Actor, Error> {
        Err(Error::unauthorized("no credentials"))
    }
}
