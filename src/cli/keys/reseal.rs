//! `openlines keys reseal`.

use std::io::Write;
use std::time::Duration;

use thiserror::Error;
use tokio::time::Instant;

use super::ResealArguments;
use crate::cli::Failure;
use crate::cli::progress::Progress;
use crate::telemetry::chain;
use store::sealing::KeyId;
use store::{Serving, Store};

/// The most rounds, for tenants that the service changed concurrently. Each round leaves few; after
/// the last one, a service must still be sealing with an old key.
const ROUNDS: u32 = 20;

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_millis(250);

/// For how long after its last heartbeat a service may still be running: one that has lost the
/// database for a while comes back with the keys that it has.
const RUNNING: Duration = Duration::from_secs(60);

#[derive(Debug, Error)]
enum Left {
    #[error(
        "nothing was re-sealed: {0}, and could not read what {1} seals; give it the keyring with that key, and \
         retry when it has applied it (some seconds after the file has changed; after a restart if the keys are in \
         `store.keyring`). A service that is not running any more counts for a minute"
    )]
    WithoutKey(String, KeyId),
    #[error(
        "other keys still seal {0} secrets: a running service seals with another key than {1}; give every \
         service the keyring with that key first, and retry"
    )]
    SealedAgain(u64, KeyId),
    #[error("{0} tenants cannot be read and stay unchanged; the first key seals all others")]
    Unreadable(usize),
}

/// Re-seals secrets of other keys with the first key, until none is left.
pub(super) async fn reseal(
    arguments: ResealArguments,
    output: &mut impl Write,
) -> Result<(), Failure> {
    let (store, keyring) = arguments.store.open().await?;
    let first = keyring.first();
    all_have(&store, &first, Duration::from_secs(arguments.wait)).await?;
    for _ in 0..ROUNDS {
        let all = left(&store, &first).await?;
        let mut progress = Progress::of("secrets re-sealed");
        let done = store.reseal_with(|done| progress.tell(done.values, all));
        let done = done.await?;
        drop(progress);
        if done.tenants > 0 {
            writeln!(
                output,
                "Re-sealed {} secrets of {} tenants with the key {first}.",
                done.values, done.tenants
            )?;
            output.flush()?;
        }
        if !done.unreadable.is_empty() {
            for tenant in &done.unreadable {
                writeln!(output, "{}", chain(tenant))?;
            }
            output.flush()?;
            return Err(Left::Unreadable(done.unreadable.len()).into());
        }
        if left(&store, &first).await? == 0 {
            writeln!(output, "The key {first} seals all secrets.")?;
            output.flush()?;
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Left::SealedAgain(left(&store, &first).await?, first).into())
}

/// The number of secrets that other keys seal.
async fn left(store: &Store, first: &KeyId) -> Result<u64, Failure> {
    let used = store.key_use().await?;
    let others = used.iter().filter(|(id, _)| id != first);
    Ok(others.map(|(_, secrets)| secrets).sum())
}

/// Waits until every running service has this key.
async fn all_have(store: &Store, key: &KeyId, patience: Duration) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let serving = store.serving(RUNNING).await?;
        let lacking = serving.iter().find_map(|service| lacks(service, key));
        let Some(lacking) = lacking else {
            return Ok(());
        };
        if begun.elapsed() >= patience {
            return Err(Left::WithoutKey(lacking, key.clone()).into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Says that a service lacks the key, if it does.
fn lacks(service: &Serving, key: &KeyId) -> Option<String> {
    let Serving {
        id,
        host,
        sealing_keys,
    } = service;
    let host = host.as_deref().unwrap_or("an unknown host");
    match sealing_keys {
        Some(keys) if keys.contains(key) => None,
        Some(_) => Some(format!(
            "the running service {id} on {host} lacks the key {key}"
        )),
        None => Some(format!(
            "the running service {id} is of an earlier version, which does not tell its keys"
        )),
    }
}
