//! `openlines keys reseal`.

use std::io::Write;
use std::time::Duration;

use thiserror::Error;

use super::StoreArguments;
use crate::cli::Failure;
use crate::telemetry::chain;
use store::Store;
use store::sealing::KeyId;

/// How often to begin anew, for tenants that the service changed at the same moment. Each round leaves few of the one
/// before; what is left after so many is sealed with the old key again and again.
const ROUNDS: u32 = 20;

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_millis(250);

/// Not everything got under the first key.
#[derive(Debug, Error)]
enum Left {
    #[error(
        "{0} secrets are still under other keys: a running service seals with another key than {1}; give every service the \
         keyring with that key first, and repeat this"
    )]
    SealedAgain(u64, KeyId),
    #[error("{0} tenants cannot be read and stay as they are; the others are under the first key")]
    Unreadable(usize),
}

/// Seals with the first key what other keys seal, until nothing is left.
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
                "Sealed {} secrets of {} tenants with the key {first}.",
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
            writeln!(output, "Nothing is left under another key than {first}.")?;
            output.flush()?;
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Left::SealedAgain(left(&store, &first).await?, first).into())
}

/// How many secrets are under other keys.
async fn left(store: &Store, first: &KeyId) -> Result<u64, Failure> {
    let used = store.key_use().await?;
    let others = used.iter().filter(|(id, _)| id != first);
    Ok(others.map(|(_, secrets)| secrets).sum())
}
