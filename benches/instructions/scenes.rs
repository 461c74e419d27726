//! What is counted, each scene under the name that the file of expected counts has for it.

use super::calls::{BATCH, Kind, Way};

/// Calls in flight in scenes with many.
const MANY: usize = 64;

/// Which program serves the calls of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// The service with everything on: keys, log lines, metrics, traces of every tenth call.
    Service,
    /// Without log lines and traces.
    Silent,
    /// For a portal that takes one request at a time.
    Batching,
    /// For a portal behind TLS, which speaks HTTP/2, as those of Bitrix24 do.
    Secure,
    /// The bare hop.
    Bare,
    /// The bare hop with types for what it sends and receives.
    TypedBare,
}

impl Program {
    pub(crate) fn is_bare(self) -> bool {
        matches!(self, Self::Bare | Self::TypedBare)
    }
}

pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) program: Program,
    pub(crate) way: Way,
    /// How many calls are counted at a time.
    pub(crate) calls: usize,
    /// Whether the short form has it.
    pub(crate) is_short: bool,
}

impl Scene {
    /// The calls among which the instructions are divided: with a batch, also the one that keeps
    /// its portal busy.
    pub(crate) fn divisor(&self) -> usize {
        if self.way.kind == Kind::Batch {
            self.calls / BATCH * (BATCH + 1)
        } else {
            self.calls
        }
    }
}

/// Programs in the order in which they are started.
pub(crate) const PROGRAMS: [Program; 6] = [
    Program::Bare,
    Program::TypedBare,
    Program::Service,
    Program::Silent,
    Program::Batching,
    Program::Secure,
];

const fn scene(name: &'static str, program: Program, kind: Kind, in_flight: usize) -> Scene {
    Scene {
        name,
        program,
        way: Way {
            kind,
            in_flight,
            has_request_ids: false,
        },
        // So that their spans are exported in whole batches.
        calls: match (kind, in_flight) {
            (Kind::Invalid | Kind::WrongKey, _) | (_, MANY) => 640,
            _ => 320,
        },
        is_short: false,
    }
}

const fn keyed(scene: Scene) -> Scene {
    Scene {
        way: Way {
            has_request_ids: true,
            ..scene.way
        },
        ..scene
    }
}

const fn short(scene: Scene) -> Scene {
    Scene {
        is_short: true,
        ..scene
    }
}

const fn batch(name: &'static str) -> Scene {
    Scene {
        calls: 6 * BATCH,
        ..scene(name, Program::Batching, Kind::Batch, BATCH)
    }
}

pub(crate) const SCENES: [Scene; 30] = {
    use Kind::{Connector, Crm, Invalid, Network, Refused, WrongKey};
    use Program::{Bare, Secure, Service, Silent, TypedBare};
    [
        short(scene("bare hop, 1 in flight", Bare, Crm, 1)),
        short(scene("bare hop, 64 in flight", Bare, Crm, 64)),
        scene("bare hop with typed JSON, 1 in flight", TypedBare, Crm, 1),
        scene("bare hop with typed JSON, 64 in flight", TypedBare, Crm, 64),
        short(scene("CRM message, 1 in flight", Service, Crm, 1)),
        short(scene("CRM message, 64 in flight", Service, Crm, 64)),
        keyed(scene("CRM message with key, 1 in flight", Service, Crm, 1)),
        short(keyed(scene(
            "CRM message with key, 64 in flight",
            Service,
            Crm,
            64,
        ))),
        short(scene(
            "connector message, 1 in flight",
            Service,
            Connector,
            1,
        )),
        scene("connector message, 64 in flight", Service, Connector, 64),
        keyed(scene(
            "connector message with key, 1 in flight",
            Service,
            Connector,
            1,
        )),
        keyed(scene(
            "connector message with key, 64 in flight",
            Service,
            Connector,
            64,
        )),
        short(scene("network message, 1 in flight", Service, Network, 1)),
        scene("network message, 64 in flight", Service, Network, 64),
        keyed(scene(
            "network message with key, 1 in flight",
            Service,
            Network,
            1,
        )),
        keyed(scene(
            "network message with key, 64 in flight",
            Service,
            Network,
            64,
        )),
        short(scene(
            "refused by a check, 1 in flight",
            Service,
            Invalid,
            1,
        )),
        scene("refused by a check, 64 in flight", Service, Invalid, 64),
        scene("refused by the portal, 64 in flight", Service, Refused, 64),
        // A stranger's answers come late, and what the process does meanwhile is counted: a slow
        // machine has other figures, so the short form leaves them out.
        scene("refused for its key, 1 in flight", Service, WrongKey, 1),
        scene("refused for its key, 64 in flight", Service, WrongKey, 64),
        scene("without log and traces, 1 in flight", Silent, Crm, 1),
        scene("without log and traces, 64 in flight", Silent, Crm, 64),
        scene("CRM message over TLS, 1 in flight", Secure, Crm, 1),
        short(scene("CRM message over TLS, 64 in flight", Secure, Crm, 64)),
        scene(
            "connector message over TLS, 64 in flight",
            Secure,
            Connector,
            64,
        ),
        keyed(scene(
            "refused by a check with key, 64 in flight",
            Service,
            Invalid,
            64,
        )),
        keyed(scene(
            "CRM message over TLS with key, 64 in flight",
            Secure,
            Crm,
            64,
        )),
        short(batch("in a batch of 50")),
        keyed(batch("in a batch of 50 with key")),
    ]
};
