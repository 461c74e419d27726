//! Peers that mean harm, with the service answering well-behaved callers meanwhile.

mod strangers;
