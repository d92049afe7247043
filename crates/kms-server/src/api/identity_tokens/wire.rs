//! Wire shapes of access tokens of machine identities, and of the limits that login methods give them.

use std::net::IpAddr;

use kms_app::Error;
use kms_app::identity_tokens::{AccessGrant, IdentityTokenRecord, TokenLimits};
use kms_core::ids::{ClientSecretId, IdentityId, IdentityTokenId};
use kms_core::network::TrustedAddress;
use kms_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// An access token.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessTokenBody {
    /// The token.
    access_token: String,
    /// Its life in seconds; 0 = without end.
    expires_in: u64,
    /// Longest life in seconds with all renewals; 0 = without end.
    #[serde(rename = "accessTokenMaxTTL")]
    access_token_max_ttl: u64,
    /// `Bearer`.
    token_type: &'static str,
}

impl From<&AccessGrant> for AccessTokenBody {
    fn from(grant: &AccessGrant) -> Self {
        Self {
            access_token: grant.access_token.expose().to_owned(),
            expires_in: grant.expires_in,
            access_token_max_ttl: grant.max_ttl,
            token_type: "Bearer",
        }
    }
}

/// What is known about a token; never the token itself.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenBody {
    /// Id.
    #[schema(value_type = String, format = Uuid)]
    id: IdentityTokenId,
    /// Whose it is.
    #[schema(value_type = String, format = Uuid)]
    identity_id: IdentityId,
    /// Name.
    name: Option<String>,
    /// Life in seconds; 0 = without end.
    #[serde(rename = "accessTokenTTL")]
    access_token_ttl: u64,
    /// Longest life in seconds with all renewals.
    #[serde(rename = "accessTokenMaxTTL")]
    access_token_max_ttl: u64,
    /// Requests it was used for; counted only where there is a limit.
    access_token_num_uses: u64,
    /// Most requests; 0 = any number.
    access_token_num_uses_limit: u64,
    /// If greater than 0: the life in seconds, renewable for ever.
    access_token_period: u64,
    /// When it was last used, to the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    access_token_last_used_at: Option<Timestamp>,
    /// When it was last renewed.
    #[schema(value_type = Option<String>, format = DateTime)]
    access_token_last_renewed_at: Option<Timestamp>,
    /// Whether it was revoked.
    is_access_token_revoked: bool,
    /// The client secret it was given for.
    #[serde(rename = "identityUAClientSecretId")]
    #[schema(value_type = Option<String>, format = Uuid)]
    client_secret_id: Option<ClientSecretId>,
    /// The login method.
    auth_method: String,
    /// There are no organizations within organizations; always null.
    sub_organization_id: Option<Uuid>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<IdentityTokenRecord> for TokenBody {
    fn from(token: IdentityTokenRecord) -> Self {
        Self {
            id: token.id,
            identity_id: token.identity,
            name: token.name,
            access_token_ttl: token.limits.ttl,
            access_token_max_ttl: token.limits.max_ttl,
            access_token_num_uses: token.uses,
            access_token_num_uses_limit: token.limits.uses_limit,
            access_token_period: token.limits.period,
            access_token_last_used_at: token.last_used_at,
            access_token_last_renewed_at: token.last_renewed_at,
            is_access_token_revoked: token.revoked,
            client_secret_id: token.client_secret,
            auth_method: token.auth_method,
            sub_organization_id: None,
            created_at: token.created_at,
            updated_at: token.updated_at,
        }
    }
}

/// An address or network in CIDR form.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustedIpRequest {
    /// Such as `192.0.2.7`, `192.0.2.0/24` or `2001:db8::/32`.
    ip_address: String,
}

/// An address or network.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustedIpBody {
    /// `ipv4` or `ipv6`.
    #[serde(rename = "type")]
    family: &'static str,
    /// Length of the prefix; absent for a single address.
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<u8>,
    /// The address without the prefix.
    #[schema(value_type = String)]
    ip_address: IpAddr,
}

impl From<&TrustedAddress> for TrustedIpBody {
    fn from(address: &TrustedAddress) -> Self {
        Self {
            family: address.family(),
            prefix: address.prefix(),
            ip_address: address.address(),
        }
    }
}

/// Reads trusted addresses; at most 100.
pub(crate) fn trusted(field: &str, list: Option<Vec<TrustedIpRequest>>) -> Result<Option<Vec<TrustedAddress>>, Error> {
    let Some(list) = list else {
        return Ok(None);
    };
    if list.len() > 100 {
        return Err(Error::invalid(field, "too_big", "must have at most 100 elements"));
    }
    list.iter()
        .map(|element| {
            TrustedAddress::parse(&element.ip_address)
                .map_err(|error| Error::bad_request(format!("{field} has an element that is {error}")))
        })
        .collect::<Result<_, _>>()
        .map(Some)
}

/// Limits of the tokens that a login method gives.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsBody {
    /// Life in seconds; 0 = without end.
    #[serde(rename = "accessTokenTTL")]
    access_token_ttl: u64,
    /// Longest life in seconds with all renewals.
    #[serde(rename = "accessTokenMaxTTL")]
    access_token_max_ttl: u64,
    /// Most requests; 0 = any number.
    access_token_num_uses_limit: u64,
    /// If greater than 0: the life in seconds, renewable for ever.
    access_token_period: u64,
    /// Where requests may come from.
    access_token_trusted_ips: Vec<TrustedIpBody>,
}

impl From<&TokenLimits> for LimitsBody {
    fn from(limits: &TokenLimits) -> Self {
        Self {
            access_token_ttl: limits.ttl,
            access_token_max_ttl: limits.max_ttl,
            access_token_num_uses_limit: limits.uses_limit,
            access_token_period: limits.period,
            access_token_trusted_ips: limits.trusted.iter().map(TrustedIpBody::from).collect(),
        }
    }
}
