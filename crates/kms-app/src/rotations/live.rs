//! News about rotations, for whoever looks at a project while something happens.
//!
//! What this node does is told at once. What other nodes do is seen within [`LOOK_EVERY`], by the rows' own revisions; nothing is
//! kept between looks but a number.

use std::time::Duration;

use kms_core::ids::ProjectId;
use kms_core::permission::project;
use tokio::sync::broadcast;

use crate::access::project_scope;
use crate::actor::Actor;
use crate::{App, Error};

/// News that may wait for a slow reader; whoever misses some is told that something changed.
const KEPT: usize = 256;
/// Pause between two looks at what other nodes did.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Tells that something about a project's rotations changed.
pub(crate) struct News(broadcast::Sender<ProjectId>);

impl Default for News {
    fn default() -> Self {
        Self(broadcast::channel(KEPT).0)
    }
}

/// News about one project.
pub struct Subscription {
    app: App,
    actor: Actor,
    project: ProjectId,
    receiver: broadcast::Receiver<ProjectId>,
    seen: i64,
}

impl App {
    /// Tells those who look at the project.
    pub(crate) fn announce(&self, project: ProjectId) {
        // Nobody may be looking.
        drop(self.0.news.0.send(project));
    }

    /// Subscribes to news about a project's rotations.
    ///
    /// # Errors
    /// As for listing the rotations.
    pub async fn subscribe_to_rotations(&self, actor: &Actor, project: ProjectId) -> Result<Subscription, Error> {
        let receiver = self.0.news.0.subscribe();
        let seen = self.revision_of(actor, project).await?;
        Ok(Subscription {
            app: self.clone(),
            actor: actor.clone(),
            project,
            receiver,
            seen,
        })
    }

    /// A number that changes with every write of one of the project's rotations. Demands that the actor may see some.
    async fn revision_of(&self, actor: &Actor, project: ProjectId) -> Result<i64, Error> {
        let session = self.store().read();
        project_scope(&session, actor, project, self.now())
            .await?
            .require_somewhere(project::ROTATION_READ)?;
        Ok(session.revision_of_rotations(project).await?)
    }
}

impl Subscription {
    /// Waits for the next news.
    ///
    /// # Errors
    /// If the server stops, the database is gone, or the actor may not see the rotations any more.
    pub async fn changed(&mut self) -> Result<(), Error> {
        loop {
            let stopping = self.app.0.stop.clone();
            tokio::select! {
                news = self.receiver.recv() => match news {
                    Ok(project) if project == self.project => {
                        self.seen = self.app.revision_of(&self.actor, self.project).await?;
                        return Ok(());
                    }
                    Ok(_of_another) => {}
                    Err(broadcast::error::RecvError::Lagged(_missed)) => return Ok(()),
                    Err(broadcast::error::RecvError::Closed) => return Err(stopped()),
                },
                () = self.app.0.sleeper.sleep(LOOK_EVERY) => {
                    let now = self.app.revision_of(&self.actor, self.project).await?;
                    if now != self.seen {
                        self.seen = now;
                        return Ok(());
                    }
                }
                () = stopping.cancelled() => return Err(stopped()),
            }
        }
    }
}

fn stopped() -> Error {
    Error::Unavailable {
        cause: "stopping".to_owned(),
    }
}
