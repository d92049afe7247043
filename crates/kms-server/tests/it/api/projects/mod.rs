mod identity_memberships;
mod lifecycle;
mod paths;
mod people;

use serde_json::{Value, json};

/// What a new project of that name looks like, but for its id, slug and environments.
fn project(id: &str, slug: &str, name: &str, org: &str, environments: &Value) -> Value {
    json!({
        "id": id,
        "_id": id,
        "name": name,
        "slug": slug,
        "description": null,
        "type": "secret-manager",
        "defaultProduct": null,
        "orgId": org,
        "autoCapitalization": false,
        "version": 3,
        "upgradeStatus": null,
        "pitVersionLimit": 10,
        "kmsCertificateKeyId": null,
        "kmsSecretManagerKeyId": null,
        "auditLogsRetentionDays": null,
        "hasDeleteProtection": false,
        "secretSharing": true,
        "showSnapshotsLegacy": false,
        "secretDetectionIgnoreValues": null,
        "enforceEncryptedSecretManagerSecretMetadata": false,
        "createdAt": crate::support::START_ON_THE_WIRE,
        "updatedAt": crate::support::START_ON_THE_WIRE,
        "environments": environments,
    })
}
