//! The file descriptors that the process may have open (RLIMIT_NOFILE).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is not a connection of a caller: the admin port and the one for installations (256 each),
/// portals and authorization servers, the store, files and logs.
const RESERVE: u64 = 1024;

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
/// admin port.
///
/// # Errors
///
/// [`TooFewDescriptors`].
pub(crate) fn reserve(connections: usize) -> Result<(), TooFewDescriptors> {
    let given = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: given.maximum,
        ..given
    };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(_) => given.current,
    };
    check(limit, connections)
}

/// `None` is no limit.
fn check(limit: Option<u64>, connections: usize) -> Result<(), TooFewDescriptors> {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX);
    let needed = wanted.saturating_add(RESERVE);
    match limit {
        Some(limit) if limit < needed => Err(TooFewDescriptors {
            limit,
            needed,
            connections,
        }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_not_given_to_connections() {
        assert_eq!(check(None, usize::MAX), Ok(()));
        assert_eq!(check(Some(RESERVE + 10), 10), Ok(()));
        let refused = check(Some(RESERVE + 10), 11).unwrap_err().to_string();
        for part in [
            "1034 files",
            "needs 1035",
            "server.connections.maximum (11)",
        ] {
            assert!(refused.contains(part), "{refused}");
        }
    }
}
