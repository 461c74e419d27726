//! Driver, stages and callers together, with a scripted portal and a paused clock.

mod bench;
mod callers;
mod retries;

use std::time::Duration;

use self::bench::{Bench, Told};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
