//! How many requests a portal still accepts from us.

use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::bucket::Bucket;
use crate::sharing::PortalBucket;
use crate::{RateLimit, Taken};

/// The rate-limit budget of one portal.
#[derive(Debug)]
pub(crate) enum Budget {
    /// The portal is said to have no limit. If it rejects all the same, there are backoffs.
    Unlimited(Backoff),
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
            (None, _) => Self::Unlimited(Backoff::default()),
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
            (Self::Unlimited(_), None) => {}
            (Self::Unlimited(_) | Self::Own(_) | Self::Shared(..), limit) => {
                *self = Self::new(limit, shared, now);
            }
        }
    }

    /// The rate limit, if there is one.
    pub(crate) fn limit(&self) -> Option<RateLimit> {
        match self {
            Self::Unlimited(_) => None,
            Self::Own(bucket) => Some(bucket.limit()),
            Self::Shared(bucket, _) => Some(bucket.limit()),
        }
    }

    /// The part of it that this process may count on now.
    pub(crate) fn part(&self, now: Instant) -> Option<RateLimit> {
        match self {
            Self::Unlimited(_) => None,
            Self::Own(bucket) => Some(bucket.limit()),
            Self::Shared(bucket, _) => Some(bucket.outlook(now).limit),
        }
    }

    /// The bucket that replicas share, if they do.
    pub(crate) fn shared(&self) -> Option<&PortalBucket> {
        match self {
            Self::Unlimited(_) | Self::Own(_) => None,
            Self::Shared(bucket, _) => Some(bucket),
        }
    }

    /// How many requests could go now; infinite without a limit.
    pub(crate) fn room(&mut self, now: Instant) -> f64 {
        match self {
            Self::Unlimited(backoff) | Self::Shared(_, backoff) if backoff.until(now).is_some() => {
                0.0
            }
            Self::Unlimited(_) => f64::INFINITY,
            Self::Own(bucket) => bucket.room(now),
            Self::Shared(bucket, _) => bucket.room(now),
        }
    }

    /// The same without recording that time has passed.
    pub(crate) fn peek(&self, now: Instant) -> f64 {
        match self {
            Self::Unlimited(_) => f64::INFINITY,
            Self::Own(bucket) => bucket.peek(now),
            Self::Shared(_, backoff) if backoff.until(now).is_some() => 0.0,
            Self::Shared(bucket, _) => bucket.room(now),
        }
    }

    /// How much longer nothing is sent because the portal rejected a request.
    pub(crate) fn backoff(&self, now: Instant) -> Duration {
        let until = match self {
            Self::Unlimited(backoff) | Self::Shared(_, backoff) => backoff.until(now),
            Self::Own(bucket) => bucket.backoff_until(now),
        };
        until.map_or(Duration::ZERO, |until| until - now)
    }

    /// Whether a request could go now without asking other replicas.
    pub(crate) fn has_permit(&self, now: Instant) -> bool {
        match self {
            Self::Unlimited(_) => true,
            Self::Own(bucket) => bucket.peek(now) >= 1.0,
            Self::Shared(bucket, _) => bucket.outlook(now).has_permit,
        }
    }

    pub(crate) fn take(&mut self, now: Instant) -> Taken {
        match self {
            Self::Unlimited(backoff) => backoff.until(now).map_or(Taken::Granted, Taken::At),
            Self::Own(bucket) => bucket.take(now),
            Self::Shared(bucket, backoff) => {
                let until = backoff.until(now);
                until.map_or_else(|| bucket.take(now), Taken::At)
            }
        }
    }

    /// Whether a permit could be taken after this many others. Takes none; asks other replicas if
    /// they may have one.
    pub(crate) fn offer(&mut self, after: u32, now: Instant) -> Taken {
        match self {
            Self::Unlimited(backoff) => backoff.until(now).map_or(Taken::Granted, Taken::At),
            Self::Own(bucket) => bucket.offer(after, now),
            Self::Shared(bucket, backoff) => {
                let until = backoff.until(now);
                until.map_or_else(|| bucket.offer(after, now), Taken::At)
            }
        }
    }

    /// This many requests wait for permits.
    pub(crate) fn want(&self, requests: u32, now: Instant) {
        match self {
            Self::Unlimited(_) | Self::Own(_) => {}
            Self::Shared(bucket, backoff) => {
                let requests = backoff.until(now).map_or(requests, |_| 0);
                bucket.want(now, requests);
            }
        }
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        match self {
            Self::Unlimited(_) => {}
            Self::Own(bucket) => bucket.sent(now),
            Self::Shared(bucket, _) => bucket.sent(now),
        }
    }

    pub(crate) fn release(&mut self, now: Instant) {
        match self {
            Self::Unlimited(_) => {}
            Self::Own(bucket) => bucket.release(now),
            Self::Shared(bucket, _) => bucket.release(now),
        }
    }

    pub(crate) fn rejected(&mut self, now: Instant) {
        match self {
            Self::Unlimited(backoff) => backoff.lengthen(now),
            Self::Own(bucket) => bucket.rejected(now),
            Self::Shared(bucket, backoff) => {
                bucket.rejected(now);
                backoff.lengthen(now);
            }
        }
    }

    pub(crate) fn accepted(&mut self) {
        match self {
            Self::Unlimited(backoff) | Self::Shared(_, backoff) => *backoff = Backoff::default(),
            Self::Own(bucket) => bucket.accepted(),
        }
    }

    /// Whether nothing would be lost by forgetting it.
    pub(crate) fn is_idle(&mut self, now: Instant) -> bool {
        match self {
            // The shared bucket outlives its user.
            Self::Unlimited(backoff) | Self::Shared(_, backoff) => backoff.until(now).is_none(),
            Self::Own(bucket) => bucket.is_empty(now),
        }
    }
}
