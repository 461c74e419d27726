//! The client against the sandbox, servers with scripted responses, and PHP.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests stop the test, which clippy grants to test functions only"
)]

mod authorization_server;
mod batches;
mod echoes;
#[path = "../../../../tests/it/support/forward_proxy.rs"]
mod forward_proxy;
#[path = "../../../../tests/it/support/frames.rs"]
#[expect(dead_code, reason = "tests of the service use the rest")]
mod frames;
mod http2;
#[path = "../../../../tests/it/support/http2_portal.rs"]
#[expect(dead_code, reason = "tests of the service use the rest")]
mod http2_portal;
mod kept;
mod packed;
#[path = "../../../../tests/it/support/portal.rs"]
mod portal;
mod reach;
