//! What an old client's counts mean. It tells all that it has counted and takes over what it is told, once a
//! second; new is only what goes beyond the last of either.

use crate::Clicks;

/// More than one event can stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// What one connection's counts are compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Base {
    /// The value that it was given, or that it set, whichever was later.
    last: Clicks,
    /// Whether it has ever set one.
    has_set: bool,
}

impl Base {
    /// The client was told these totals.
    pub fn given(&mut self, totals: Clicks) {
        self.last = totals;
    }

    /// The client has these counts. Returns what is new of them, which is nothing at the first time: what it
    /// counted before was told through another connection, or to another server.
    ///
    /// An error changes nothing.
    pub fn set(&mut self, counts: Clicks) -> Result<Clicks, TooMany> {
        let increase = if self.has_set {
            counts.above(self.last)
        } else {
            Clicks::default()
        };
        let most = increase.item.max(increase.add_to_cart).max(increase.buy);
        if i32::try_from(most).is_err() {
            return Err(TooMany);
        }
        *self = Self {
            last: counts,
            has_set: true,
        };
        Ok(increase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const fn items(item: u64) -> Clicks {
        Clicks {
            item,
            add_to_cart: 0,
            buy: 0,
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Call {
        Set(u64),
        Get(u64),
    }
    use Call::{Get, Set};

    #[rstest]
    #[case::the_first_says_where_it_begins(&[Set(7)], &[0])]
    #[case::then_what_is_above_counts(&[Set(7), Set(9), Set(9), Set(10)], &[0, 2, 0, 1])]
    #[case::what_was_given_is_not_new(&[Set(0), Get(100), Set(100), Set(101)], &[0, 0, 1])]
    #[case::also_above_what_was_given(&[Set(0), Get(100), Set(103)], &[0, 3])]
    #[case::a_fall_takes_nothing_away(&[Set(5), Set(2), Set(3)], &[0, 0, 1])]
    #[case::the_first_after_an_answer_too(&[Get(100), Set(103), Set(104)], &[0, 1])]
    #[case::a_client_that_lags(&[Set(0), Get(100), Set(1), Get(100), Set(101)], &[0, 0, 1])]
    fn an_increase_counts(#[case] calls: &[Call], #[case] wanted: &[u64]) {
        let mut base = Base::default();
        let mut increases = Vec::new();
        for call in calls {
            match call {
                Set(n) => increases.push(base.set(items(*n)).unwrap().item),
                Get(n) => base.given(items(*n)),
            }
        }
        assert_eq!(increases, wanted);
    }

    #[test]
    fn more_than_an_event_can_stand_for_is_refused_and_changes_nothing() {
        let mut base = Base::default();
        base.set(items(u64::MAX)).unwrap();
        base.set(items(5)).unwrap();
        let before = base;
        assert_eq!(base.set(items(6 + (1 << 31))), Err(TooMany));
        assert_eq!(base, before);
        assert_eq!(base.set(items(4 + (1 << 31))), Ok(items((1 << 31) - 1)));
    }

    proptest! {
        /// Two clients do what such clients do: count, tell, take over. All that they counted after their
        /// first word, and before they were told the totals, is in the totals.
        #[test]
        fn two_clients_come_to_the_sum_of_their_clicks(
            begin in (0..50u64, 0..50u64),
            rounds in proptest::collection::vec((any::<bool>(), 0..9u64), 0..60),
        ) {
            let mut total = 1000;
            let mut clients = [(begin.0, Base::default()), (begin.1, Base::default())];
            for (own, base) in &mut clients {
                prop_assert_eq!(base.set(items(*own)), Ok(items(0)));
                base.given(items(total));
                *own = total;
            }
            let mut clicked = 0;
            for (first, clicks) in rounds {
                let (own, base) = &mut clients[usize::from(first)];
                *own += clicks;
                clicked += clicks;
                total += base.set(items(*own)).unwrap().item;
                base.given(items(total));
                *own = total;
            }
            prop_assert_eq!(total, 1000 + clicked);
        }
    }
}
