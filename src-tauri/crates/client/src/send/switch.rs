//! Which frames of which rendition are sent to one session. No queue, no clock.

use parlor_media::video::Choice;

/// Goes from one rendition to another on a key frame. Until that comes, the old one goes on.
#[derive(Debug, Default)]
pub(super) struct Switch {
    current: Option<usize>,
    coming: Option<usize>,
    /// With the upper temporal layer.
    upper: bool,
    /// A key frame of the current rendition was sent, and nothing missed since.
    started: bool,
}

impl Switch {
    /// The rendition that is sent.
    pub(super) fn current(&self) -> Option<usize> {
        self.current
    }

    /// The one that is to be sent as soon as it begins.
    pub(super) fn coming(&self) -> Option<usize> {
        self.coming
    }

    /// What is to be sent from now on.
    pub(super) fn order(&mut self, choice: Option<Choice>) {
        let Some(Choice { rung, upper }) = choice else {
            *self = Self::default();
            return;
        };
        self.upper = upper;
        self.coming = match self.current {
            Some(current) if current == rung => None,
            Some(_) if self.started => Some(rung),
            // Nothing of it is there to go on with.
            Some(_) | None => {
                (self.current, self.started) = (Some(rung), false);
                None
            }
        };
    }

    /// Whether a frame is sent. To be asked of each frame, in order.
    pub(super) fn takes(&mut self, rung: usize, key: bool, temporal: u8) -> bool {
        if key && self.coming == Some(rung) {
            (self.current, self.coming, self.started) = (Some(rung), None, true);
            return true;
        }
        if self.current != Some(rung) {
            return false;
        }
        self.started |= key;
        // On its way down the path bears no more than what must be.
        let falling = self.coming.is_some_and(|coming| coming < rung);
        self.started && (temporal == 0 || self.upper && !falling)
    }

    /// Frames of a rendition were missed: it begins again with a key frame.
    pub(super) fn missed(&mut self, rung: usize) {
        if self.current == Some(rung) {
            self.started = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use parlor_media::video::{
        Assembled, Assembler, Vp8Decoder, Vp8Encoder, Vp8Packetizer,
        pattern::{Pattern, read_counter},
    };
    use parlor_protocol::media::RtpReceived;

    use super::*;
    use crate::send::clock::PictureClock;

    const WIDTHS: [u32; 3] = [160, 320, 640];

    /// What came out at the other end: number of the picture, its width.
    type Shown = Vec<(u32, u32)>;

    /// Three encoders that run, and a session that is sent what its orders say: (from which picture on, what). A rendition
    /// that is waited for is asked for a key frame, as a new subscriber does; it comes `late` pictures later.
    fn call(pictures: u32, late: u32, orders: &[(u32, Option<Choice>)]) -> Shown {
        let patterns = WIDTHS.map(|width| Pattern::new(width, width * 9 / 16).unwrap());
        let mut encoders = WIDTHS.map(|width| Vp8Encoder::new(width, width * 9 / 16, 30, width * 1000).unwrap());
        let (mut switch, mut packetizer, mut clock) = (Switch::default(), Vp8Packetizer::new(), PictureClock::new());
        let (mut assembler, mut decoder) = (Assembler::new(), Vp8Decoder::new().unwrap());
        let (start, mut sequence, mut shown, mut last) = (Instant::now(), 65_500_u16, Vec::new(), None);
        let mut keys: Vec<(u32, usize)> = Vec::new();
        for counter in 0..pictures {
            let now = start + Duration::from_secs(1) * counter / 30;
            for (_, choice) in orders.iter().filter(|(at, _)| *at == counter) {
                switch.order(*choice);
                let wanted = switch.coming().or(switch.current().filter(|_| !switch.started));
                keys.extend(wanted.map(|rung| (counter + late, rung)));
            }
            for (rung, encoder) in encoders.iter_mut().enumerate() {
                let key = keys.contains(&(counter, rung));
                let Some(frame) = encoder.encode(&patterns[rung].draw(counter, now), key).unwrap() else { continue };
                if !switch.takes(rung, frame.key, frame.temporal) {
                    continue;
                }
                let timestamp = clock.map(frame.captured);
                assert!(last.is_none_or(|last: u32| timestamp.wrapping_sub(last).cast_signed() > 0));
                last = Some(timestamp);
                for packet in packetizer.packetize(&frame) {
                    sequence = sequence.wrapping_add(1);
                    let (marker, payload) = (packet.marker, packet.payload);
                    assembler.push(RtpReceived { sequence, timestamp, marker, payload }, now);
                }
                let out = std::iter::from_fn(|| assembler.poll(now));
                let frames: Vec<_> = out.collect();
                let [Assembled::Frame(frame)] = &frames[..] else { panic!("{frames:?} at {counter}") };
                let picture = decoder.decode(&frame.data).expect("a frame whose references came").unwrap();
                shown.push((read_counter(&picture).expect("a picture that is whole"), picture.width));
            }
        }
        shown
    }

    fn choice(rung: usize, upper: bool) -> Option<Choice> {
        Some(Choice { rung, upper })
    }

    fn widths(shown: &Shown, pictures: std::ops::Range<u32>) -> Vec<u32> {
        shown.iter().filter(|(counter, _)| pictures.contains(counter)).map(|(_, width)| *width).collect()
    }

    #[test]
    fn renditions_change_without_a_missing_or_a_damaged_picture() {
        let shown = call(90, 4, &[(0, choice(2, true)), (30, choice(0, true)), (60, choice(1, true))]);
        assert!(shown.is_sorted());
        assert!(widths(&shown, 5..34).iter().all(|width| *width == 640));
        assert!(widths(&shown, 34..64).iter().all(|width| *width == 160));
        assert!(widths(&shown, 65..90).iter().all(|width| *width == 320));
        // On the way down half of the old pictures are left out, on the way up none.
        assert!((1..=3).contains(&widths(&shown, 30..34).len()));
        assert!(widths(&shown, 60..64).len() >= 3);
        assert!(shown.len() > 70, "{}", shown.len());
    }

    #[test]
    fn half_of_the_pictures_can_be_left_out_at_any_time() {
        let orders = [(0, choice(1, true)), (21, choice(1, false)), (50, choice(1, true))];
        let shown = call(80, 0, &orders);
        assert!(widths(&shown, 0..21).len() > 17);
        assert!((12..=15).contains(&widths(&shown, 21..50).len()));
        assert!(widths(&shown, 50..80).len() > 26);
    }

    #[test]
    fn what_is_not_shown_is_not_sent_and_begins_again_with_a_key_frame() {
        let shown = call(60, 1, &[(0, choice(1, true)), (20, None), (40, choice(1, true))]);
        assert!(widths(&shown, 20..41).is_empty());
        assert!(shown.iter().any(|(counter, _)| *counter == 41), "{shown:?}");
    }

    #[test]
    fn an_order_that_is_taken_back_changes_nothing() {
        let shown = call(40, 9, &[(0, choice(1, true)), (20, choice(2, true)), (25, choice(1, true))]);
        assert!(shown.iter().all(|(_, width)| *width == 320));
    }

    #[test]
    fn after_a_miss_only_a_key_frame_goes_on() {
        let mut switch = Switch::default();
        switch.order(choice(1, true));
        assert!([(1, false, 0), (0, true, 0)].map(|(rung, key, layer)| switch.takes(rung, key, layer)) == [false; 2]);
        assert!(switch.takes(1, true, 0) && switch.takes(1, false, 1));
        switch.missed(1);
        assert!(!switch.takes(1, false, 0) && switch.takes(1, true, 0));
    }
}
