//! The injected faults, waiting for matching requests.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderName, HeaderValue};
use serde::Serialize;

use super::kind::{CommandFault, Fault, FaultKind, Schedule};
use crate::request::AUTHORIZATION_SERVER_METHODS;
use crate::sync::lock;

/// The faults in order of injection. At most one hits a request.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Mutex<Vec<Waiting>>,
    injected: AtomicU64,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    fault: Fault,
    /// How many matching requests this fault has seen.
    seen: u32,
}

/// A waiting fault as the control interface lists it.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    id: u64,
    fault: &'static str,
    executes: bool,
    schedule: Schedule,
    method: Option<String>,
    portal: Option<String>,
    client_id: Option<String>,
    seen: u32,
}

/// What a fault is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit<'a> {
    pub(crate) portal: &'a str,
    pub(crate) method: &'a str,
    /// The application whose access token the request has.
    pub(crate) client_id: Option<&'a str>,
}

/// A fault that hits a request.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    pub(crate) kind: FaultKind,
    /// Headers of the response.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Faults {
    pub(crate) fn inject(&self, fault: Fault) {
        let id = self.injected.fetch_add(1, Ordering::Relaxed) + 1;
        lock(&self.waiting).push(Waiting { id, fault, seen: 0 });
    }

    /// Removes one. Returns whether it was there.
    pub(crate) fn remove(&self, id: u64) -> bool {
        let mut waiting = lock(&self.waiting);
        let before = waiting.len();
        waiting.retain(|waiting| waiting.id != id);
        waiting.len() < before
    }

    pub(crate) fn clear(&self) {
        lock(&self.waiting).clear();
    }

    pub(crate) fn list(&self) -> Vec<Listed> {
        let waiting = lock(&self.waiting);
        let listed = waiting.iter().map(|waiting| Listed {
            id: waiting.id,
            fault: waiting.fault.kind.name(),
            executes: waiting.fault.kind.executes(),
            schedule: waiting.fault.schedule,
            method: waiting.fault.method.clone(),
            portal: waiting.fault.portal.clone(),
            client_id: waiting.fault.application.clone(),
            seen: waiting.seen,
        });
        listed.collect()
    }

    /// The fault that hits this request. Every matching fault counts it; the first due one hits.
    pub(crate) fn draw(&self, hit: Hit<'_>) -> Option<Drawn> {
        self.draw_from(hit, |fault| {
            let is_of_request = fault.kind.of_command().is_none();
            is_of_request.then(|| Drawn {
                kind: fault.kind.clone(),
                headers: fault.headers.clone(),
            })
        })
    }

    /// The same for a command of a batch.
    pub(crate) fn draw_command(&self, hit: Hit<'_>) -> Option<CommandFault> {
        self.draw_from(hit, |fault| fault.kind.of_command())
    }

    fn draw_from<T>(&self, hit: Hit<'_>, eligible: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        let Hit {
            portal,
            method,
            client_id,
        } = hit;
        let mut waiting = lock(&self.waiting);
        let mut drawn = None;
        for waiting in waiting.iter_mut() {
            let fault = &mut waiting.fault;
            // A fault without a method concerns portals, not the authorization server.
            let of_all = !AUTHORIZATION_SERVER_METHODS.contains(&method);
            let is_meant = fault
                .method
                .as_deref()
                .map_or(of_all, |only| only == method)
                && fault
                    .portal
                    .as_deref()
                    .is_none_or(|only| only.eq_ignore_ascii_case(portal))
                && fault
                    .application
                    .as_deref()
                    .is_none_or(|only| Some(only) == client_id);
            let Some(kind) = eligible(fault).filter(|_| is_meant) else {
                continue;
            };
            waiting.seen = waiting.seen.saturating_add(1);
            let is_due = match fault.schedule {
                Schedule::Next(left) => left > 0,
                Schedule::Every(nth) => nth > 0 && waiting.seen.is_multiple_of(nth),
                Schedule::Always => true,
            };
            if drawn.is_some() || !is_due {
                continue;
            }
            if let Schedule::Next(left) = &mut fault.schedule {
                *left -= 1;
            }
            drawn = Some(kind);
        }
        waiting.retain(|waiting| waiting.fault.schedule != Schedule::Next(0));
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::super::kind::Moment;
    use super::*;

    fn hit<'a>(portal: &'a str, method: &'a str) -> Hit<'a> {
        Hit {
            portal,
            method,
            client_id: None,
        }
    }

    fn drawn(faults: &Faults) -> Option<FaultKind> {
        faults.draw(hit("p", "m")).map(|drawn| drawn.kind)
    }

    const KIND: FaultKind = FaultKind::Close(Moment::Before);

    fn hits(faults: &Faults, method: &str, requests: usize) -> Vec<bool> {
        (0..requests)
            .map(|_| faults.draw(hit("portal", method)).is_some())
            .collect()
    }

    #[test]
    fn a_fault_hits_as_often_as_its_schedule_says() {
        for (fault, expected) in [
            (Fault::once(KIND), [true, false, false, false]),
            (Fault::next(2, KIND), [true, true, false, false]),
            (Fault::every(2, KIND), [false, true, false, true]),
            (Fault::every(0, KIND), [false; 4]),
            (Fault::always(KIND), [true; 4]),
        ] {
            let faults = Faults::default();
            faults.inject(fault);
            assert_eq!(hits(&faults, "m", 4), expected);
        }
    }

    #[test]
    fn a_fault_of_one_method_or_portal_spares_the_others() {
        let faults = Faults::default();
        faults.inject(Fault::always(KIND).for_method("Only.This"));
        faults.inject(Fault::always(KIND).for_portal("elsewhere"));
        assert_eq!(hits(&faults, "other", 1), [false]);
        assert_eq!(hits(&faults, "only.this", 1), [true]);
    }

    #[test]
    fn a_fault_of_one_application_spares_the_others() {
        let faults = Faults::default();
        faults.inject(Fault::always(KIND).for_application("local.1"));
        let of = |client_id| Hit {
            client_id,
            ..hit("p", "m")
        };
        assert!(faults.draw(of(Some("local.1"))).is_some());
        assert!(faults.draw(of(Some("local.2"))).is_none());
        assert!(faults.draw(of(None)).is_none());
    }

    #[test]
    fn a_fault_of_commands_waits_for_a_command() {
        let fault = CommandFault::Omit(Moment::After);
        let faults = Faults::default();
        faults.inject(Fault::once(FaultKind::Command(fault)));
        faults.inject(Fault::once(KIND));
        assert_eq!(drawn(&faults), Some(KIND));
        assert_eq!(drawn(&faults), None);
        assert_eq!(faults.draw_command(hit("p", "m")), Some(fault));
        assert_eq!(faults.draw_command(hit("p", "m")), None);
    }

    #[test]
    fn an_earlier_fault_does_not_use_up_a_later_one() {
        let faults = Faults::default();
        faults.inject(Fault::once(KIND));
        faults.inject(Fault::once(FaultKind::expired_token()));
        assert_eq!(drawn(&faults), Some(KIND));
        assert_eq!(drawn(&faults), Some(FaultKind::expired_token()));
        assert_eq!(drawn(&faults), None);
    }
}
