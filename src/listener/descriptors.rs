//! The file descriptors that the process may have open (RLIMIT_NOFILE).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is not a connection of a caller: [`OTHERS`], and at least 384 connections to portals and
/// authorization servers.
const RESERVE: u64 = 1024;

/// The admin port and the one for installations (256 each), the store, files and logs.
const OTHERS: u64 = 640;

/// The process may not open enough descriptors for its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the process may open {limit} files, and needs {needed}: server.connections.maximum \
     ({connections}), and {RESERVE} for portals, the store and the other ports; raise the hard limit \
     (`ulimit -Hn`, LimitNOFILE of systemd), or lower server.connections.maximum"
)]
pub struct TooFewDescriptors {
    limit: u64,
    needed: u64,
    connections: usize,
}

/// Raises the soft limit to the hard one, and checks that it is enough for so many connections of
/// callers beside everything else: a process that runs out of descriptors cannot even say so at its
/// admin port. Returns how many are left for connections to portals, if there is a limit.
///
/// # Errors
///
/// [`TooFewDescriptors`].
pub(crate) fn reserve(connections: usize) -> Result<Option<u64>, TooFewDescriptors> {
    let given = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: given.maximum,
        ..given
    };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(_) => given.current,
    };
    let for_portals = for_portals(limit, connections)?;
    tracing::info!(limit, for_portals, "files that the process may open");
    Ok(for_portals)
}

/// How many are left for connections to portals. `None` is no limit.
fn for_portals(limit: Option<u64>, connections: usize) -> Result<Option<u64>, TooFewDescriptors> {
    let Some(limit) = limit else {
        return Ok(None);
    };
    let callers = u64::try_from(connections).unwrap_or(u64::MAX);
    let needed = callers.saturating_add(RESERVE);
    if limit < needed {
        return Err(TooFewDescriptors {
            limit,
            needed,
            connections,
        });
    }
    Ok(Some(limit - callers - OTHERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_not_given_to_connections() {
        assert_eq!(for_portals(None, usize::MAX), Ok(None));
        assert_eq!(for_portals(Some(RESERVE + 10), 10), Ok(Some(384)));
        assert_eq!(for_portals(Some(65_536), 1_024), Ok(Some(63_872)));
        let refused = for_portals(Some(RESERVE + 10), 11).unwrap_err().to_string();
        for part in [
            "1034 files",
            "needs 1035",
            "server.connections.maximum (11)",
        ] {
            assert!(refused.contains(part), "{refused}");
        }
    }
}
