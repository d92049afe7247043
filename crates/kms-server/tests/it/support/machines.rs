//! Machine identities as tests need them.

use serde_json::{Value, json};

use super::{Caller, TestApp, TestResponse};

/// A machine identity with Universal Auth and one client secret.
pub(crate) struct Machine {
    pub(crate) identity_id: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) client_secret_id: String,
}

pub(crate) const LOGIN: &str = "/api/v1/auth/universal-auth/login";

impl TestApp {
    /// Makes an identity; answers its id.
    pub(crate) async fn identity(&self, admin: &Caller, role: &str) -> String {
        let body = json!({ "name": "deployer", "role": role });
        let made = admin.post("/api/v1/identities", body).await.ok();
        made["identity"]["id"].as_str().unwrap().to_owned()
    }

    /// Makes an identity with Universal Auth and a client secret.
    pub(crate) async fn machine(&self, admin: &Caller, role: &str, settings: Value, secret: Value) -> Machine {
        let identity_id = self.identity(admin, role).await;
        let path = format!("/api/v1/auth/universal-auth/identities/{identity_id}");
        let auth = admin.post(&path, settings).await.ok();
        let secret = admin.post(&format!("{path}/client-secrets"), secret).await.ok();
        Machine {
            client_id: auth["identityUniversalAuth"]["clientId"].as_str().unwrap().to_owned(),
            client_secret: secret["clientSecret"].as_str().unwrap().to_owned(),
            client_secret_id: secret["clientSecretData"]["id"].as_str().unwrap().to_owned(),
            identity_id,
        }
    }

    /// The same with nothing unusual.
    pub(crate) async fn usual_machine(&self, admin: &Caller) -> Machine {
        self.machine(admin, "member", json!({}), json!({})).await
    }
}

impl Machine {
    /// Where its Universal Auth is.
    pub(crate) fn path(&self) -> String {
        format!("/api/v1/auth/universal-auth/identities/{}", self.identity_id)
    }

    /// Tries to log in.
    pub(crate) async fn try_in(&self, from: &Caller) -> TestResponse {
        let body = json!({ "clientId": self.client_id, "clientSecret": self.client_secret });
        from.post(LOGIN, body).await
    }

    /// Tries to log in with a wrong secret.
    pub(crate) async fn try_wrong(&self, from: &Caller) -> TestResponse {
        let body = json!({ "clientId": self.client_id, "clientSecret": "a-wrong-client-secret" });
        from.post(LOGIN, body).await
    }

    /// Logs in.
    pub(crate) async fn log_in(&self, from: &Caller) -> Caller {
        let answer = self.try_in(from).await.ok();
        from.with_token(answer["accessToken"].as_str().unwrap())
    }
}

/// Whether a machine's token is good: a route that every machine may call.
pub(crate) const ANY_MACHINE: &str = "/api/v1/identities/details";
