//! The rate limit of a tenant's portal.

use thiserror::Error;

use crate::PortalAddress;

/// The rate limit of a portal for one source address: a leaky bucket.
///
/// Source: page "limits".
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Plan {
    /// Every plan of the cloud but Enterprise: a burst of 50 requests, 2 a second.
    Standard,
    /// The cloud plan Enterprise: a burst of 250 requests, 5 a second.
    Enterprise,
    /// A self-hosted portal without a limit.
    Unlimited,
    /// A limit of the portal's own.
    Own(RateLimit),
}

/// The size and drain of a leaky bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Requests that fit at once, 1 to 10,000.
    pub burst: u32,
    /// Requests that drain each second, above 0 and at most 1,000.
    pub per_second: f64,
}

/// Why a limit is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidRateLimit {
    /// The burst.
    #[error("is not between 1 and 10,000")]
    Burst,
    /// The drain.
    #[error("is not above 0 and at most 1,000")]
    PerSecond,
}

/// The plans with a name in the tenants file and the store.
const NAMED: [(&str, Plan); 3] = [
    ("standard", Plan::Standard),
    ("enterprise", Plan::Enterprise),
    ("unlimited", Plan::Unlimited),
];

impl Plan {
    /// The default plan of a portal. Bitrix24 documents no limit for self-hosted portals, and the
    /// sandbox on this machine has none by default.
    pub fn usual(portal: &PortalAddress) -> Self {
        if portal.is_self_hosted() || portal.is_loopback() {
            Self::Unlimited
        } else {
            Self::Standard
        }
    }

    /// The plan of this name.
    pub fn named(name: &str) -> Option<Self> {
        let found = NAMED.iter().find(|(known, _)| *known == name);
        found.map(|(_, plan)| *plan)
    }

    /// Its name; [`Plan::Own`] has none.
    pub fn name(self) -> Option<&'static str> {
        let found = NAMED.iter().find(|(_, plan)| *plan == self);
        found.map(|(name, _)| *name)
    }

    /// The limit, if there is one.
    pub fn rate_limit(self) -> Option<RateLimit> {
        match self {
            Self::Standard => Some(RateLimit {
                burst: 50,
                per_second: 2.0,
            }),
            Self::Enterprise => Some(RateLimit {
                burst: 250,
                per_second: 5.0,
            }),
            Self::Unlimited => None,
            Self::Own(limit) => Some(limit),
        }
    }
}

impl RateLimit {
    /// Largest burst. Above every plan of Bitrix24, and low enough to catch typing errors.
    const MAXIMUM_BURST: u32 = 10_000;
    /// Fastest drain, in requests a second.
    const MAXIMUM_PER_SECOND: f64 = 1_000.0;

    /// Checks a burst.
    ///
    /// # Errors
    ///
    /// [`InvalidRateLimit::Burst`].
    pub fn burst(number: i64) -> Result<u32, InvalidRateLimit> {
        let burst = u32::try_from(number).map_err(|_| InvalidRateLimit::Burst)?;
        if (1..=Self::MAXIMUM_BURST).contains(&burst) {
            Ok(burst)
        } else {
            Err(InvalidRateLimit::Burst)
        }
    }

    /// Checks a drain.
    ///
    /// # Errors
    ///
    /// [`InvalidRateLimit::PerSecond`], also for NaN.
    pub fn per_second(number: f64) -> Result<f64, InvalidRateLimit> {
        if number > 0.0 && number <= Self::MAXIMUM_PER_SECOND {
            Ok(number)
        } else {
            Err(InvalidRateLimit::PerSecond)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidRateLimit, Plan, RateLimit};
    use crate::{Policy, PortalAddress, SelfHosted, Suffix};

    fn usual(portal: &str) -> Plan {
        let policy = Policy {
            allowed_suffixes: vec![Suffix::parse("bitrix24.com").unwrap()],
            self_hosted: vec![SelfHosted::parse("portal.acme.example").unwrap()],
            dangerous_allow_insecure: true,
            ..Policy::default()
        };
        Plan::usual(&PortalAddress::parse(portal, &policy).unwrap())
    }

    #[test]
    fn the_cloud_has_the_standard_plan_and_other_portals_have_no_limit() {
        assert_eq!(usual("acme.bitrix24.com"), Plan::Standard);
        assert_eq!(usual("portal.acme.example"), Plan::Unlimited);
        assert_eq!(usual("http://127.0.0.1:8080"), Plan::Unlimited);
    }

    #[test]
    fn every_plan_but_a_limit_of_ones_own_has_a_name() {
        for plan in [Plan::Standard, Plan::Enterprise, Plan::Unlimited] {
            assert_eq!(plan.name().and_then(Plan::named), Some(plan));
        }
        for (name, figures) in [("standard", (50, 2.0)), ("enterprise", (250, 5.0))] {
            let limit = Plan::named(name).unwrap().rate_limit().unwrap();
            assert_eq!((limit.burst, limit.per_second), figures);
        }
        let own = Plan::Own(RateLimit {
            burst: 50,
            per_second: 2.0,
        });
        assert_eq!(own.name(), None);
        for unknown in ["", "Standard", "own"] {
            assert_eq!(Plan::named(unknown), None);
        }
    }

    #[test]
    fn burst_and_drain_have_bounds() {
        for burst in [1, 10_000] {
            assert_eq!(RateLimit::burst(burst).map(i64::from), Ok(burst));
        }
        for burst in [i64::MIN, -1, 0, 10_001, i64::MAX] {
            assert_eq!(RateLimit::burst(burst), Err(InvalidRateLimit::Burst));
        }
        for per_second in [f64::MIN_POSITIVE, 0.5, 1_000.0] {
            assert_eq!(RateLimit::per_second(per_second), Ok(per_second));
        }
        for per_second in [-1.0, -0.0, 0.0, 1_000.1, f64::INFINITY, f64::NAN] {
            let refused = RateLimit::per_second(per_second);
            assert_eq!(refused, Err(InvalidRateLimit::PerSecond), "{per_second}");
        }
    }
}
