//! Which way a session takes, as far as it can be believed.

use std::net::IpAddr;

/// Our address, and the other side's or a server's.
pub(super) type Ends = (IpAddr, IpAddr);

/// The way that packets went last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(super) ends: Ends,
    /// Through a TURN server. Checks go there too, whichever pair media goes by, so that one look proves nothing.
    pub(super) relayed: bool,
}

/// The way that a session is believed to take.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    believed: Option<Ends>,
    /// Through a server, and seen at the last look alone.
    doubted: Option<Ends>,
}

impl Taken {
    /// Takes what is seen now, which is nothing before there is a pair, and says whether the session takes another way than
    /// before. A way through a server has to be seen twice, one look after the other.
    pub(crate) fn look(&mut self, way: Option<Way>) -> bool {
        let doubted = self.doubted.take();
        let Some(Way { ends, relayed }) = way else { return false };
        if relayed && self.believed != Some(ends) && doubted != Some(ends) {
            self.doubted = Some(ends);
            return false;
        }
        self.believed.replace(ends).is_some_and(|before| before != ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(there: &str, relayed: bool) -> Option<Way> {
        Some(Way { ends: ("192.0.2.1".parse().unwrap(), there.parse().unwrap()), relayed })
    }

    fn news(looks: impl IntoIterator<Item = Option<Way>>) -> Vec<bool> {
        let mut taken = Taken::default();
        looks.into_iter().map(|way| taken.look(way)).collect()
    }

    #[test]
    fn another_way_is_news_once() {
        let (one, other) = (way("192.0.2.2", false), way("192.0.2.3", false));
        assert_eq!(
            news([None, one, one, other, other, None, other, one]),
            [false, false, false, true, false, false, false, true]
        );
    }

    #[test]
    fn a_look_that_falls_on_a_check_through_a_server_is_none() {
        let (direct, relayed) = (way("192.0.2.2", false), way("192.0.2.9", true));
        assert_eq!(news([relayed, direct, relayed, direct, relayed, None, relayed, direct]), [false; 8]);
    }

    #[test]
    fn a_way_through_a_server_is_news_at_the_second_look() {
        let (direct, relayed) = (way("192.0.2.2", false), way("192.0.2.9", true));
        let other = way("192.0.2.10", true);
        let looks = [direct, relayed, relayed, relayed, other, other, direct];
        assert_eq!(news(looks), [false, false, true, false, false, true, true]);
    }
}
