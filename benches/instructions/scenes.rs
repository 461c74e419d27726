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
    /// The bare hop.
    Bare,
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
pub(crate) const PROGRAMS: [Program; 4] = [
    Program::Bare,
    Program::Service,
    Program::Silent,
    Program::Batching,
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

pub(crate) const SCENES: [Scene; 22] = {
    use Kind::{Connector, Crm, Invalid, Network, WrongKey};
    use Program::{Bare, Service, Silent};
    [
        short(scene("bare hop, 1 in flight", Bare, Crm, 1)),
        short(scene("bare hop, 64 in flight", Bare, Crm, 64)),
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
        short(scene(
            "refused for its key, 1 in flight",
            Service,
            WrongKey,
            1,
        )),
        scene("refused for its key, 64 in flight", Service, WrongKey, 64),
        scene("without log and traces, 1 in flight", Silent, Crm, 1),
        scene("without log and traces, 64 in flight", Silent, Crm, 64),
        short(batch("in a batch of 50")),
        keyed(batch("in a batch of 50 with key")),
    ]
};
