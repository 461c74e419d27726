//! One request: a connection, the response, and what a failure says.

use std::sync::Arc;
use std::time::Duration;

use super::Content;
use super::failure::Failed;
use super::portal::{Acquired, Portal};
use super::reception::{Broken, Received};
use super::target::Path;
use crate::call_error::{NotSent, Obstacle, Unanswered};
use crate::send_guard::SendGuard;

/// Sends a request once and reads the whole response. A connection that turns out to have ended
/// before it took the request is replaced by another one.
pub(super) async fn send(
    portal: &Arc<Portal>,
    path: &Path,
    content: &Content<'_>,
    guard: &SendGuard,
    maximum_bytes: usize,
) -> Result<Received, Failed> {
    loop {
        let (connection, is_fresh) = portal.acquire().await?;
        let broken = match connection {
            Acquired::Http1(mut http1) => {
                let request = portal.target.http1_request(path, content, guard);
                let request = request.map_err(|_| unsendable())?;
                match http1.exchange(request, maximum_bytes).await {
                    Ok(received) => {
                        // Over TLS a connection carries one request.
                        if portal.target.is_tls() || portal.is_crowded() {
                            http1.close().await;
                        } else {
                            portal.give_back(http1);
                        }
                        return Ok(received);
                    }
                    Err(broken) => broken,
                }
            }
            Acquired::Http2(in_use) => {
                let request = portal.target.http2_request(path, content);
                let request = request.map_err(|_| unsendable())?;
                let body = content.body.clone();
                match in_use.exchange(request, body, guard, maximum_bytes).await {
                    Ok(received) => {
                        if portal.is_crowded() {
                            portal.forget_if_idle(&in_use.0, Duration::ZERO);
                        }
                        return Ok(received);
                    }
                    Err(broken) => {
                        // It takes no more requests, unless this one alone failed.
                        if guard.is_waiting() || broken == Broken::Unprocessed {
                            portal.forget(&in_use.0);
                        }
                        broken
                    }
                }
            }
        };
        if guard.was_sent() {
            return Err(match broken {
                Broken::Unprocessed => NotSent::Unprocessed.into(),
                Broken::Lost => Unanswered::ConnectionLost.into(),
                Broken::Oversized {
                    http_status,
                    limit_bytes,
                } => Unanswered::Oversized {
                    http_status,
                    limit_bytes,
                }
                .into(),
            });
        }
        if guard.was_cancelled() {
            return Err(NotSent::DeadlinePassed.into());
        }
        if is_fresh {
            return Err(unreachable(portal.is_proxied()));
        }
    }
}

fn unreachable(is_proxied: bool) -> Failed {
    let obstacle = if is_proxied {
        Obstacle::Proxy
    } else {
        Obstacle::Network
    };
    NotSent::Unreachable(obstacle).into()
}

/// The path is none: addresses, secrets and methods are checked before, so this does not happen.
fn unsendable() -> Failed {
    NotSent::Unreachable(Obstacle::Network).into()
}
