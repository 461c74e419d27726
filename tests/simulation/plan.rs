//! What a seed decides beforehand: who calls, how fast everything is, and what goes wrong when.

use std::time::Duration;

use crate::chance::Chance;

/// A stretch of time in which something is not as usual.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    pub(crate) what: What,
    /// The slot of the replica that has it alone; `None`: all have it.
    pub(crate) of: Option<usize>,
    /// How many of a hundred requests have it, where it is one of requests.
    pub(crate) share: u64,
}

/// What is not as usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The database does not answer until the end.
    StoreStalls,
    /// It answers reads only.
    StoreLocksWrites,
    /// Connections to the database are refused.
    StoreRefuses,
    /// The database executes statements, and the connection breaks before its answer.
    StoreAnswersLost,
    /// The database answers after 20 to 400 ms.
    StoreSlow,
    /// The portal cannot be reached.
    PortalUnreachable,
    /// The portal takes eight times as long.
    PortalSlow,
    /// The portal executes and does not answer.
    PortalHangs,
    /// Requests are lost on their way to the portal, and the connection breaks.
    RequestsLost,
    /// The portal executes, and the connection breaks before its answer.
    AnswersLost,
    /// A server before the portal says that it did not process the request.
    Unprocessed,
    /// Another application uses up the portal's rate limit.
    PortalBusy,
    /// The authorization server cannot be reached.
    AuthorizationUnreachable,
    /// It takes 1 to 7 s.
    AuthorizationSlow,
    /// Its answers are lost.
    AuthorizationAnswersLost,
}

impl What {
    const ALL: [Self; 15] = [
        Self::StoreStalls,
        Self::StoreLocksWrites,
        Self::StoreRefuses,
        Self::StoreAnswersLost,
        Self::StoreSlow,
        Self::PortalUnreachable,
        Self::PortalSlow,
        Self::PortalHangs,
        Self::RequestsLost,
        Self::AnswersLost,
        Self::Unprocessed,
        Self::PortalBusy,
        Self::AuthorizationUnreachable,
        Self::AuthorizationSlow,
        Self::AuthorizationAnswersLost,
    ];

    pub(crate) fn is_of_the_store(self) -> bool {
        matches!(
            self,
            Self::StoreStalls
                | Self::StoreLocksWrites
                | Self::StoreRefuses
                | Self::StoreAnswersLost
                | Self::StoreSlow
        )
    }

    pub(crate) fn is_of_the_authorization_server(self) -> bool {
        matches!(
            self,
            Self::AuthorizationUnreachable
                | Self::AuthorizationSlow
                | Self::AuthorizationAnswersLost
        )
    }

    pub(crate) fn is_of_the_portal(self) -> bool {
        !self.is_of_the_store() && !self.is_of_the_authorization_server()
    }
}

/// A jump of a clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jump {
    pub(crate) at: Duration,
    pub(crate) milliseconds: i64,
    /// The database's clock; else that of all replicas.
    pub(crate) is_of_the_database: bool,
}

/// A message that a caller wants delivered.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) number: usize,
    pub(crate) at: Duration,
    pub(crate) conversation: i64,
    pub(crate) has_key: bool,
    pub(crate) is_bulk: bool,
    pub(crate) may_be_batched: bool,
    pub(crate) is_of_webhook: bool,
    pub(crate) slot: usize,
    pub(crate) patience: Duration,
    /// When the caller leaves, if it does.
    pub(crate) leaves_after: Option<Duration>,
    pub(crate) repeats: u64,
    /// Whether the caller asks another replica at the same time, with the same key.
    pub(crate) has_twin: bool,
}

/// Conversations from this one on have only calls without an idempotency key.
pub(crate) const KEYLESS: i64 = 1_000;

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) replicas: usize,
    pub(crate) wishes: Vec<Wish>,
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) jumps: Vec<Jump>,
    /// After how many steps of the ledger, the store and requests a replica is killed.
    pub(crate) kills: Vec<u64>,
    /// Base time of a request at the portal, and of each command.
    pub(crate) request: Duration,
    pub(crate) command: Duration,
    /// How long the first access token is valid, and later ones.
    pub(crate) first_token: Duration,
    pub(crate) token: Duration,
    /// When the portal calls the first token expired although it should be valid, if it does: a
    /// request finds out.
    pub(crate) forgets_token: Option<Duration>,
    /// Whether a refresh token whose answer was lost is accepted once more.
    pub(crate) is_forgiving: bool,
    pub(crate) is_burst: bool,
    /// Whether the machine of the database crashes now and then, and loses outcomes that it was not
    /// asked to write to the disk at once.
    pub(crate) forgets_outcomes: bool,
}

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavour {
    Any,
    /// Many calls at once, at a portal that needs long for each.
    Rush,
    /// Many calls at once, while the token runs out and the authorization server is slow.
    Renewal,
    /// Nothing can be written.
    LockedLedger,
}

fn flavour(percent: u64) -> Flavour {
    match percent {
        0..6 => Flavour::Rush,
        6..14 => Flavour::Renewal,
        14..22 => Flavour::LockedLedger,
        _ => Flavour::Any,
    }
}

fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut chance = Chance::of(seed);
        let chance = &mut chance;
        let replicas = if chance.percent(60) { 2 } else { 3 };
        let is_burst = chance.percent(35);
        let is_calm = chance.percent(15);
        let command = milliseconds(chance.pick(&[5, 20, 20, 60, 160]));
        let first_token = chance.pick(&[3_600, 3_600, 30, 62, 75, 0]);
        let token = chance.pick(&[3_600, 3_600, 70, 20]);
        let flavour = flavour(chance.below(100));
        let is_burst = match flavour {
            Flavour::Rush | Flavour::Renewal => true,
            Flavour::LockedLedger => false,
            Flavour::Any => is_burst,
        };
        let wishes = wishes(chance, replicas, is_burst, flavour);
        let mut troubles = Vec::new();
        let (mut jumps, mut kills) = (Vec::new(), Vec::new());
        if !is_calm {
            for _ in 0..chance.pick(&[0, 1, 1, 1, 2, 3]) {
                troubles.push(trouble(chance, replicas));
            }
            if chance.percent(15) {
                jumps.push(Jump {
                    at: milliseconds(chance.between(11_000, 30_000)),
                    milliseconds: chance.pick(&[-20_000, -3_000, 3_000, 20_000, 4_000_000]),
                    is_of_the_database: chance.percent(50),
                });
            }
            for _ in 0..chance.pick(&[0, 0, 1, 1, 2]) {
                kills.push(chance.between(60, 400));
            }
        }
        let mut plan = Self {
            replicas,
            wishes,
            troubles,
            jumps,
            kills,
            request: milliseconds(chance.between(20, 90)),
            command,
            first_token: Duration::from_secs(first_token),
            token: Duration::from_secs(token),
            forgets_token: chance.percent(30).then_some(milliseconds(15_000)),
            is_forgiving: chance.percent(50),
            is_burst,
            forgets_outcomes: false,
        };
        plan.season(flavour, chance);
        plan.forgets_outcomes = !is_calm && chance.percent(15);
        plan
    }

    /// Some meetings are too rare to be left to chance alone.
    fn season(&mut self, flavour: Flavour, chance: &mut Chance) {
        let hour = Duration::from_secs(3_600);
        let from = milliseconds(chance.between(10_600, 13_000));
        let until = from + milliseconds(chance.between(3_000, 20_000));
        let lasting = |what| Trouble {
            from,
            until,
            what,
            of: None,
            share: 100,
        };
        match flavour {
            Flavour::Any => return,
            Flavour::Rush => {
                self.command = milliseconds(160);
                let is_slow = chance.percent(60).then(|| lasting(What::PortalSlow));
                self.troubles = is_slow.into_iter().collect();
                self.forgets_token = None;
            }
            Flavour::Renewal => {
                self.troubles = vec![lasting(What::AuthorizationSlow)];
                self.forgets_token = Some(milliseconds(10_700));
            }
            Flavour::LockedLedger => {
                self.troubles = vec![lasting(What::StoreLocksWrites)];
                self.forgets_token = None;
            }
        }
        (self.first_token, self.token) = (hour, hour);
        (self.jumps, self.kills) = (Vec::new(), Vec::new());
    }

    pub(crate) fn has(&self, is: impl Fn(What) -> bool) -> bool {
        self.troubles.iter().any(|trouble| is(trouble.what))
    }
}

fn trouble(chance: &mut Chance, replicas: usize) -> Trouble {
    let from = milliseconds(chance.between(10_600, 28_000));
    let length = chance.pick(&[300, 2_000, 5_000, 8_000, 12_000, 20_000]);
    let what = chance.pick(&What::ALL);
    let of = (what.is_of_the_store() && chance.percent(40))
        .then(|| usize::try_from(chance.below(replicas.try_into().unwrap())).unwrap());
    Trouble {
        from,
        until: from + milliseconds(length),
        what,
        of,
        share: chance.pick(&[20, 50, 100]),
    }
}

/// A call that makes a replica know a tenant, before anything goes wrong.
fn first_call(slot: usize, is_of_webhook: bool) -> Wish {
    Wish {
        number: 0,
        at: milliseconds(10_050),
        conversation: 2 * KEYLESS + i64::try_from(slot).unwrap(),
        has_key: false,
        is_bulk: false,
        may_be_batched: true,
        is_of_webhook,
        slot,
        patience: milliseconds(20_000),
        leaves_after: None,
        repeats: 0,
        has_twin: false,
    }
}

/// Calls begin when the replicas know each other: after 11 s.
fn wishes(chance: &mut Chance, replicas: usize, is_burst: bool, flavour: Flavour) -> Vec<Wish> {
    let (count, conversations, span) = if is_burst {
        (chance.between(60, 140), chance.pick(&[10, 140]), 400)
    } else {
        (chance.between(15, 45), chance.between(3, 12), 22_000)
    };
    let keys = chance.pick(&[0, 50, 100]);
    let webhooks = chance.pick(&[0, 0, 50]);
    let patience = chance.pick(&[6_000, 20_000, 30_000]);
    let (conversations, keys, webhooks, patience) = match flavour {
        Flavour::Any => (conversations, keys, webhooks, patience),
        Flavour::Rush => (140, 0, 0, 6_000),
        Flavour::Renewal => (140, 0, 0, 30_000),
        Flavour::LockedLedger => (conversations, 50, webhooks, 20_000),
    };
    let leavers = if flavour == Flavour::LockedLedger {
        3
    } else {
        10
    };
    let mut wishes: Vec<Wish> = (0..count)
        .map(|_| {
            let has_key = chance.percent(keys);
            let conversation = i64::try_from(chance.below(conversations)).unwrap() + 1;
            let is_keyless_one = !has_key && chance.percent(60);
            let hurried = chance.one_in(12);
            Wish {
                number: 0,
                at: milliseconds(11_000 + chance.below(span)),
                conversation: conversation + if is_keyless_one { KEYLESS } else { 0 },
                has_key,
                is_bulk: chance.one_in(4),
                may_be_batched: !chance.one_in(6),
                is_of_webhook: chance.percent(webhooks),
                slot: usize::try_from(chance.below(replicas.try_into().unwrap())).unwrap(),
                patience: milliseconds(if hurried { 1_200 } else { patience }),
                leaves_after: chance
                    .one_in(leavers)
                    .then(|| milliseconds(chance.below(1_500))),
                repeats: chance.pick(&[0, 1, 3]),
                has_twin: has_key && chance.one_in(6),
            }
        })
        .collect();
    for slot in 0..replicas {
        for is_of_webhook in [false, true] {
            wishes.push(first_call(slot, is_of_webhook));
        }
    }
    wishes.sort_by_key(|wish| wish.at);
    for (number, wish) in wishes.iter_mut().enumerate() {
        wish.number = number;
    }
    wishes
}
