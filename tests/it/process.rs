//! The process from its first moment to its last: signals, the log, and what it says of itself.

mod last_line;
mod ready;
mod restarts;
mod signals;
mod unread_log;
