//! Which state may follow which, and what may be offered in each.

use parlor_protocol::{Cause, Remedy, SessionState, session::SessionStateEvent};

use SessionState::{Closed, Connected, Connecting, Disconnected, Failed, New};

/// The permitted arrows between the public states of one peer, session after session. `None`: there is no tile.
const ARROWS: [(Option<SessionState>, &[SessionState]); 7] = [
    (None, &[New]),
    (Some(New), &[Connecting, Failed, Closed]),
    (Some(Connecting), &[Connected, Disconnected, Failed, Closed]),
    (Some(Connected), &[Disconnected, Closed]),
    (Some(Disconnected), &[Connecting, Connected, Failed, Closed]),
    (Some(Failed), &[New, Closed]),
    // Where a newer session took the place of this one: any other end takes the tile away.
    (Some(Closed), &[New]),
];

/// Whether this arrow is permitted. The same state again tells of another attempt, cause or remedy. `was_connected`: the
/// session was connected once, which is what a way over `disconnected` is for.
pub(super) fn permitted(from: Option<SessionState>, to: SessionState, was_connected: bool) -> bool {
    let drawn = ARROWS.iter().any(|(state, next)| *state == from && next.contains(&to));
    let without_a_path = from == Some(Connecting) && to == Disconnected && !was_connected;
    from == Some(to) || (drawn && !without_a_path)
}

/// Whether what is offered fits the state.
pub(super) fn remedy_fits(event: &SessionStateEvent, signaling_up: bool) -> bool {
    let expected = match (event.state, event.cause) {
        (New | Connecting, _) => Remedy::Wait,
        (Connected, _) => Remedy::None,
        (Disconnected, _) if signaling_up => Remedy::Wait,
        (Disconnected, _) => Remedy::CheckNetwork,
        (Failed, _) => Remedy::Retry,
        (Closed, Some(Cause::Left)) => Remedy::Rejoin,
        (Closed, _) => Remedy::None,
    };
    event.remedy == expected
}

#[test]
fn every_state_has_its_arrows_in_the_table_once() {
    for state in [None, Some(New), Some(Connecting), Some(Connected), Some(Disconnected), Some(Failed), Some(Closed)] {
        assert_eq!(ARROWS.iter().filter(|(from, _)| *from == state).count(), 1, "{state:?}");
    }
    assert!(!permitted(Some(Connected), Failed, true));
    assert!(!permitted(Some(Connecting), Disconnected, false));
}
