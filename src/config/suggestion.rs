//! What somebody may have meant by a name that does not exist.

/// Most letters that may differ between a name and what was meant by it.
const MAXIMUM_DISTANCE: usize = 3;

/// The candidate closest to `name`, if one is close enough to be worth naming.
pub(super) fn closest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= MAXIMUM_DISTANCE)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, remove or replace to turn one text into the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, have) in from.chars().enumerate() {
        let mut left = line.saturating_add(1);
        let mut next = vec![left];
        for (want, pair) in to.chars().zip(row.windows(2)) {
            let [diagonal, above] = pair else { continue };
            let replace = diagonal.saturating_add(usize::from(have != want));
            left = replace
                .min(above.saturating_add(1))
                .min(left.saturating_add(1));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{closest, distance};

    #[test]
    fn the_distance_counts_changed_letters() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("listen", "listen"), 0);
    }

    #[test]
    fn a_slip_of_the_pen_is_understood_and_nonsense_is_not() {
        let names = ["server.listen", "server.reflection"];
        assert_eq!(closest("server.lisen", names), Some("server.listen"));
        assert_eq!(closest("something.else", names), None);
    }
}
