//! The way out of a service under test.

use std::sync::Arc;

use async_trait::async_trait;
use kms_providers::transport::http::{HttpSettings, HttpTransport};
use kms_providers::transport::{OutboundRequest, OutboundResponse, Transport, TransportError};

/// Lets nothing out.
#[derive(Debug)]
pub(crate) struct NoNetwork;

#[async_trait]
impl Transport for NoNetwork {
    async fn send(&self, _request: OutboundRequest) -> Result<OutboundResponse, TransportError> {
        Err(TransportError::NotSent("this test has no network".to_owned()))
    }
}

/// The real way out.
pub(crate) fn network() -> Arc<dyn Transport> {
    Arc::new(HttpTransport::new(&HttpSettings::default()).unwrap())
}
