//! The state machine of one portal: what is known of it, and what is sent to it next.

mod admission;
mod demand;
mod forecast;
mod gathering;
mod held;
mod linger;
mod next;
mod operating;
mod packing;
mod prepare;
mod requests;
mod rest;
mod scout;
mod selections;
mod state;
mod view;
mod wait;

pub use self::forecast::Forecast;
pub use self::next::Next;
pub use self::requests::LateRequest;
pub use self::state::{Portal, RequestOutcome};
pub use self::view::PortalView;

#[cfg(test)]
mod tests;
