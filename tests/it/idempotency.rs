//! Calls with a `request_id`, end to end: each is executed at most once, and every attempt learns
//! the same.

mod batches;
mod estimates;
mod fates;
mod outage;
mod processes;
mod replays;
mod site;
mod status;
mod waiting;
