//! How many requests a portal still accepts from us.

use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::bucket::Bucket;
use crate::sharing::PortalBucket;
use crate::{RateLimit, Taken};

/// How long a portal that is said to have no limit is treated like one of the smallest plan after
/// it rejected a request over its rate limit: what the portal says wins over what the plan says.
const DOUBTED: Duration = Duration::from_secs(600);

/// The limit of the smallest plan. Source: page "limits".
const SMALLEST_PLAN: RateLimit = RateLimit {
    burst: 50,
    per_second: 2.0,
};

/// The rate-limit budget of one portal.
#[derive(Debug)]
pub(crate) enum Budget {
    /// The portal is said to have no limit.
    Unlimited,
    /// It is said to have none, and rejected a request all the same: this bucket counts until this
    /// moment.
    Doubted(Bucket, Instant),
    /// This process has the bucket for itself.
    Own(Bucket),
    /// Replicas share the bucket. After rejections in a row there are backoffs: another client at
    /// our address uses it too.
    Shared(PortalBucket, Backoff),
}

/// Opens the portal's bucket that replicas share.
pub type OpenShared = Box<dyn Fn(RateLimit) -> PortalBucket + Send + Sync>;

impl Budget {
    /// A budget of this process, or of all replicas.
    pub(crate) fn new(limit: Option<RateLimit>, shared: Option<&OpenShared>, now: Instant) -> Self {
        match (limit, shared) {
            (None, _) => Self::Unlimited,
            (Some(limit), None) => Self::Own(Bucket::new(limit, now)),
            (Some(limit), Some(open)) => Self::Shared(open(limit), Backoff::default()),
        }
    }

    /// Changes the limit; what was sent stays counted.
    pub(crate) fn set_limit(
        &mut self,
        limit: Option<RateLimit>,
        shared: Option<&OpenShared>,
        now: Instant,
    ) {
        match (&mut *self, limit) {
            (Self::Own(bucket), Some(limit)) if bucket.limit() == limit => {}
            (Self::Own(bucket), Some(limit)) => bucket.set_limit(limit, now),
            (Self::Shared(bucket, _), Some(limit)) => bucket.set_limit(limit),
            (Self::Unlimited | Self::Doubted(..), None) => {}
            (Self::Unlimited | Self::Doubted(..) | Self::Own(_) | Self::Shared(..), limit) => {
                *self = Self::new(limit, shared, now);
            }
        }
    }

    /// The rate limit, if there is one.
    pub(crate) fn limit(&self) -> Option<RateLimit> {
        match self {
            Self::Unlimited => None,
            Self::Own(bucket) | Self::Doubted(bucket, _) => Some(bucket.limit()),
            Self::Shared(bucket, _) => Some(bucket.limit()),
        }
    }

    /// The part of it that this process may count on now.
    pub(crate) fn part(&self, now: Instant) -> Option<RateLimit> {
        match self {
            Self::Unlimited => None,
            Self::Own(bucket) | Self::Doubted(bucket, _) => Some(bucket.limit()),
            Self::Shared(bucket, _) => Some(bucket.outlook(now).limit),
        }
    }

    /// The bucket that replicas share, if they do.
    pub(crate) fn shared(&self) -> Option<&PortalBucket> {
        match self {
            Self::Unlimited | Self::Doubted(..) | Self::Own(_) => None,
            Self::Shared(bucket, _) => Some(bucket),
        }
    }

    /// How many requests could go now; infinite without a limit.
    pub(crate) fn room(&mut self, now: Instant) -> f64 {
        match self {
            Self::Unlimited => f64::INFINITY,
            Self::Own(bucket) | Self::Doubted(bucket, _) => bucket.room(now),
            Self::Shared(_, backoff) if backoff.until(now).is_some() => 0.0,
            Self::Shared(bucket, _) => bucket.room(now),
        }
    }

    /// The same without recording that time has passed.
    pub(crate) fn peek(&self, now: Instant) -> f64 {
        match self {
            Self::Unlimited => f64::INFINITY,
            Self::Own(bucket) | Self::Doubted(bucket, _) => bucket.peek(now),
            Self::Shared(_, backoff) if backoff.until(now).is_some() => 0.0,
            Self::Shared(bucket, _) => bucket.room(now),
        }
    }

    /// How much longer nothing is sent because the portal rejected a request.
    pub(crate) fn backoff(&self, now: Instant) -> Duration {
        let until = match self {
            Self::Unlimited => None,
            Self::Own(bucket) | Self::Doubted(bucket, _) => bucket.backoff_until(now),
            Self::Shared(_, backoff) => backoff.until(now),
        };
        until.map_or(Duration::ZERO, |until| until - now)
    }

    /// Whether a request could go now without asking other replicas.
    pub(crate) fn has_permit(&self, now: Instant) -> bool {
        match self {
            Self::Unlimited => true,
            Self::Own(bucket) | Self::Doubted(bucket, _) => bucket.peek(now) >= 1.0,
            Self::Shared(bucket, _) => bucket.outlook(now).has_permit,
        }
    }

    pub(crate) fn take(&mut self, now: Instant) -> Taken {
        match self {
            Self::Unlimited => Taken::Granted,
            Self::Own(bucket) | Self::Doubted(bucket, _) => bucket.take(now),
            Self::Shared(bucket, backoff) => {
                let until = backoff.until(now);
                until.map_or_else(|| bucket.take(now), Taken::At)
            }
        }
    }

    /// Believes the plan again, some time after the portal contradicted it.
    fn believe(&mut self, now: Instant) {
        if matches!(self, Self::Doubted(_, until) if *until <= now) {
            *self = Self::Unlimited;
        }
    }

    /// Whether a permit could be taken after this many others. Takes none; asks other replicas if
    /// they may have one.
    pub(crate) fn offer(&mut self, after: u32, now: Instant) -> Taken {
        self.believe(now);
        match self {
            Self::Unlimited => Taken::Granted,
            Self::Own(bucket) | Self::Doubted(bucket, _) => bucket.offer(after, now),
            Self::Shared(bucket, backoff) => {
                let until = backoff.until(now);
                until.map_or_else(|| bucket.offer(after, now), Taken::At)
            }
        }
    }

    /// This many requests wait for permits.
    pub(crate) fn want(&self, requests: u32, now: Instant) {
        match self {
            Self::Unlimited | Self::Doubted(..) | Self::Own(_) => {}
            Self::Shared(bucket, backoff) => {
                let requests = backoff.until(now).map_or(requests, |_| 0);
                bucket.want(now, requests);
            }
        }
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        match self {
            Self::Unlimited => {}
            Self::Own(bucket) | Self::Doubted(bucket, _) => bucket.sent(now),
            Self::Shared(bucket, _) => bucket.sent(now),
        }
    }

    pub(crate) fn release(&mut self, now: Instant) {
        match self {
            Self::Unlimited => {}
            Self::Own(bucket) | Self::Doubted(bucket, _) => bucket.release(now),
            Self::Shared(bucket, _) => bucket.release(now),
        }
    }

    pub(crate) fn rejected(&mut self, now: Instant) {
        match self {
            Self::Unlimited => {
                let mut bucket = Bucket::new(SMALLEST_PLAN, now);
                bucket.rejected(now);
                *self = Self::Doubted(bucket, now + DOUBTED);
            }
            Self::Doubted(bucket, until) => {
                bucket.rejected(now);
                *until = now + DOUBTED;
            }
            Self::Own(bucket) => bucket.rejected(now),
            Self::Shared(bucket, backoff) => {
                bucket.rejected(now);
                backoff.lengthen(now);
            }
        }
    }

    pub(crate) fn accepted(&mut self) {
        match self {
            Self::Unlimited => {}
            Self::Shared(_, backoff) => backoff.accepted(),
            Self::Own(bucket) | Self::Doubted(bucket, _) => bucket.accepted(),
        }
    }

    /// The portal asks for a pause.
    pub(crate) fn pause(&mut self, lasts: Duration, now: Instant) {
        match self {
            // Until its end; then the plan is believed again.
            Self::Unlimited => {
                let mut bucket = Bucket::new(SMALLEST_PLAN, now);
                bucket.pause(lasts, now);
                *self = Self::Doubted(bucket, now + lasts);
            }
            Self::Doubted(bucket, until) => {
                bucket.pause(lasts, now);
                *until = (*until).max(now + lasts);
            }
            Self::Own(bucket) => bucket.pause(lasts, now),
            Self::Shared(_, backoff) => backoff.pause(lasts, now),
        }
    }

    /// Whether nothing would be lost by forgetting it.
    pub(crate) fn is_idle(&mut self, now: Instant) -> bool {
        match self {
            Self::Unlimited => true,
            Self::Doubted(_, until) => *until <= now,
            // The shared bucket outlives its user.
            Self::Shared(_, backoff) => backoff.until(now).is_none(),
            Self::Own(bucket) => bucket.is_empty(now),
        }
    }
}
