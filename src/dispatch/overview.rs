//! The portals in use, for who watches the process.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::Dispatcher;
use super::driver::PortalDriver;
use pacing::PortalView;

/// The portals in use.
#[derive(Debug)]
pub(crate) struct Overview {
    /// How many there are.
    pub(crate) known: usize,
    /// The busiest by their names, which are host names; the first needs most attention.
    pub(crate) busiest: Vec<(String, PortalView)>,
}

/// What is shown first: portals that do not respond, then those with most to do.
type Rank = (bool, usize);

impl Dispatcher {
    /// Looks at all portals, and keeps so many. No lock is held for longer than one portal or one
    /// part of the list takes: calls do not wait. With 100,000 portals it takes a tenth
    /// of a second of processor time, so it must not run where calls do.
    pub(crate) fn overview(&self, most: usize) -> Overview {
        let mut known = 0;
        let mut busiest = BinaryHeap::new();
        for drivers in self.drivers.parts() {
            known += drivers.len();
            for driver in drivers {
                let view = driver.view();
                let rank = Reverse(rank(&view));
                if busiest.len() == most
                    && busiest
                        .peek()
                        .is_some_and(|least: &Ranked| least.rank < rank)
                {
                    continue;
                }
                busiest.push(Ranked { rank, driver, view });
                if busiest.len() > most {
                    busiest.pop();
                }
            }
        }
        let busiest = busiest.into_sorted_vec().into_iter();
        Overview {
            known,
            busiest: busiest
                .map(|Ranked { driver, view, .. }| (driver.name().to_owned(), view))
                .collect(),
        }
    }
}

fn rank(view: &PortalView) -> Rank {
    let needs_attention = view.is_breaker_open || view.held > 0;
    (needs_attention, view.waiting + view.in_flight + view.held)
}

/// A portal among those that are kept: the least important one is on top.
struct Ranked {
    rank: Reverse<Rank>,
    driver: Arc<PortalDriver>,
    view: PortalView,
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    /// The names make it the same each time.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let one = (self.rank, self.driver.name());
        one.cmp(&(other.rank, other.driver.name()))
    }
}
