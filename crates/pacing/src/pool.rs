//! Something countable that owners share, so that none can take it from the others.
//!
//! What an owner may hold depends on what is free ("dynamic thresholds"): with a share of 50 %, as
//! much as is left to the others. A single owner gets half of a pool, two get a third each, ten an
//! eleventh each, and whoever comes next always finds some.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A pool, with a bound on what one owner may hold.
#[derive(Debug)]
pub struct Pool {
    maximum: usize,
    /// What an owner may hold if the others hold nothing, in percent.
    share: usize,
    /// What every owner may hold whatever its share is, as far as it is there.
    floor: usize,
    held: AtomicUsize,
}

/// What one owner holds of a pool.
#[derive(Debug, Default)]
pub struct Held(AtomicUsize);

/// Why an owner gets no more of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// There is not as much left.
    Pool,
    /// The owner would hold more than its share.
    Share,
}

/// All of a pool, in percent.
const WHOLE: usize = 100;

impl Pool {
    /// A pool of `maximum`. An owner alone may hold `share` percent of it. Each may hold `floor`,
    /// and one that holds nothing gets what it asks for, whatever its share is.
    pub fn new(maximum: usize, share: u8, floor: usize) -> Self {
        Self {
            maximum,
            share: usize::from(share).min(WHOLE),
            floor,
            held: AtomicUsize::new(0),
        }
    }

    /// Gives an amount to an owner.
    ///
    /// # Errors
    ///
    /// [`Exhausted`]. Then the owner holds what it held before.
    pub fn take(&self, owner: &Held, amount: usize) -> Result<(), Exhausted> {
        // Both are counted before they are judged, so that owners that come at once cannot exceed
        // the bounds together.
        let before = self.held.fetch_add(amount, Ordering::Relaxed);
        let own = owner.0.fetch_add(amount, Ordering::Relaxed) + amount;
        let judged = self.judge(before, own, amount);
        if judged.is_err() {
            self.give_back(owner, amount);
        }
        judged
    }

    /// Whether an owner would get an amount now. Nothing is counted.
    ///
    /// # Errors
    ///
    /// [`Exhausted`].
    pub fn check(&self, owner: &Held, amount: usize) -> Result<(), Exhausted> {
        let held = self.held.load(Ordering::Relaxed);
        self.judge(held, owner.amount() + amount, amount)
    }

    /// Takes an amount back that the owner holds.
    pub fn give_back(&self, owner: &Held, amount: usize) {
        self.held.fetch_sub(amount, Ordering::Relaxed);
        owner.0.fetch_sub(amount, Ordering::Relaxed);
    }

    /// Whether an owner may hold so much when all together held so much before.
    fn judge(&self, before: usize, own: usize, amount: usize) -> Result<(), Exhausted> {
        let free = self.maximum.checked_sub(before);
        let free = free.filter(|free| amount <= *free);
        let free = free.ok_or(Exhausted::Pool)?;
        let fits = own <= self.floor.max(amount)
            || own.saturating_mul(WHOLE - self.share) <= free.saturating_mul(self.share);
        fits.then_some(()).ok_or(Exhausted::Share)
    }
}

impl Held {
    /// How much it is.
    pub fn amount(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much an owner gets, one after the other.
    fn takes_all(pool: &Pool, owner: &Held) -> Exhausted {
        loop {
            if let Err(exhausted) = pool.take(owner, 1) {
                return exhausted;
            }
        }
    }

    #[test]
    fn an_owner_alone_gets_its_share_and_two_leave_a_third() {
        let pool = Pool::new(900, 50, 1);
        let (first, second, third) = (Held::default(), Held::default(), Held::default());
        assert_eq!(takes_all(&pool, &first), Exhausted::Share);
        assert_eq!(first.amount(), 450);
        assert_eq!(takes_all(&pool, &second), Exhausted::Share);
        assert_eq!(second.amount(), 225);
        // The first holds more than its part now, and gets no more until it is below.
        pool.give_back(&first, 150);
        assert_eq!(pool.take(&first, 1), Ok(()));
        takes_all(&pool, &third);
        assert!(third.amount() > 100, "{}", third.amount());
    }

    #[test]
    fn however_many_take_all_they_can_the_next_one_finds_some() {
        let pool = Pool::new(20_000, 50, 1);
        let mut owners: Vec<Held> = Vec::new();
        for _ in 0..12 {
            let next = Held::default();
            takes_all(&pool, &next);
            assert!(next.amount() > 0);
            owners.push(next);
        }
        assert!(owners[0].amount() <= 10_000);
    }

    #[test]
    fn with_the_whole_as_share_an_owner_may_take_all() {
        let pool = Pool::new(8, 100, 1);
        let owner = Held::default();
        assert_eq!(takes_all(&pool, &owner), Exhausted::Pool);
        assert_eq!(owner.amount(), 8);
    }

    #[test]
    fn each_owner_gets_the_floor_as_long_as_it_is_there() {
        let pool = Pool::new(1000, 50, 600);
        let (first, second) = (Held::default(), Held::default());
        assert_eq!(pool.take(&first, 600), Ok(()));
        assert_eq!(pool.take(&first, 1), Err(Exhausted::Share));
        assert_eq!(pool.take(&second, 600), Err(Exhausted::Pool));
        assert_eq!(pool.take(&second, 400), Ok(()));
        assert_eq!((first.amount(), second.amount()), (600, 400));
    }
}
