//! `openlines keys reseal`.

use std::io::Write;
use std::time::Duration;

use thiserror::Error;

use super::StoreArguments;
use crate::cli::Failure;
use crate::telemetry::chain;
use store::Store;
use store::sealing::KeyId;

/// The most rounds, for tenants that the service changed concurrently. Each round leaves few; after
/// the last one, a service must still be sealing with an old key.
const ROUNDS: u32 = 20;

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug, Error)]
enum Left {
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
    arguments: StoreArguments,
    output: &mut impl Write,
) -> Result<(), Failure> {
    let (store, keyring) = arguments.open().await?;
    let first = keyring.first();
    for _ in 0..ROUNDS {
        let done = store.reseal().await?;
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
