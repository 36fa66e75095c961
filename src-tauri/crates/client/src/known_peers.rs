//! Whom the person has verified, on disk in the profile's folder. A file that cannot be read is set aside, never
//! overwritten.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use parlor_protocol::{
    RoomName,
    trust::KnownPeer,
    ui::{Notice, Tone},
};
use tokio::task::{self, JoinHandle};

use crate::profile::write_private;

/// The file's name.
const FILE: &str = "known-peers.json";
/// Rooms that are kept; the one in which nobody was verified for the longest time is forgotten first.
const MAX_ROOMS: usize = 512;
/// Damaged files that are kept beside each other.
const MAX_ASIDE: u32 = 100;

type Rooms = BTreeMap<RoomName, Vec<KnownPeer>>;

/// Whom the person has verified, room by room.
pub(crate) struct KnownPeers {
    /// Where they are kept; nowhere without a folder, or where the file that is there cannot be moved away.
    path: Option<PathBuf>,
    rooms: Rooms,
    /// The last write, which the next one follows.
    writing: Option<JoinHandle<()>>,
}

impl KnownPeers {
    /// Reads a profile's; the notice says what was wrong with them.
    pub(crate) fn open(folder: Option<&Path>) -> (Self, Option<Notice>) {
        let path = folder.map(|folder| folder.join(FILE));
        let mut known = Self { path, rooms: Rooms::new(), writing: None };
        let notice = known.path.clone().and_then(|path| match read(&path) {
            Ok(rooms) => {
                known.rooms = rooms;
                None
            }
            Err(error) => {
                // Which kind, not what: the file holds names.
                tracing::warn!(kind = ?error.kind(), "the list of verified people cannot be read");
                let aside = set_aside(&path);
                if aside.is_none() {
                    known.path = None;
                }
                Some(damaged(aside.as_deref()))
            }
        });
        (known, notice)
    }

    /// Whom the person verified in a room.
    pub(crate) fn of(&self, room: &RoomName) -> Vec<KnownPeer> {
        self.rooms.get(room).cloned().unwrap_or_default()
    }

    /// From now on these are the room's. Written in the background, one state after another.
    pub(crate) fn keep(&mut self, room: &RoomName, peers: Vec<KnownPeer>) {
        if peers.is_empty() {
            self.rooms.remove(room);
        } else {
            self.rooms.insert(room.clone(), peers);
        }
        while self.rooms.len() > MAX_ROOMS {
            let newest = |peers: &Vec<KnownPeer>| peers.iter().map(|known| known.verified_ms).max();
            let oldest = self.rooms.iter().min_by_key(|(_, peers)| newest(peers)).map(|(room, _)| room.clone());
            oldest.map(|room| self.rooms.remove(&room));
        }
        let Some(path) = self.path.clone() else { return };
        let rooms = self.rooms.clone();
        let before = self.writing.take();
        self.writing = Some(tokio::spawn(async move {
            finished(before).await;
            finished(Some(task::spawn_blocking(move || write(&path, &rooms)))).await;
        }));
    }

    /// Waits until everything is written.
    pub(crate) async fn flush(&mut self) {
        finished(self.writing.take()).await;
    }
}

async fn finished(task: Option<JoinHandle<()>>) {
    if let Some(task) = task
        && let Err(error) = task.await
    {
        tracing::error!(%error, "the list of verified people was not written");
    }
}

fn read(path: &Path) -> io::Result<Rooms> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Rooms::new()),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, rooms: &Rooms) {
    let written = serde_json::to_vec(rooms).map_err(io::Error::from).and_then(|json| write_private(path, &json));
    if let Err(error) = written {
        tracing::warn!(kind = ?error.kind(), "the list of verified people was not written");
    }
}

/// Gives the file a name that none has; gives that name.
fn set_aside(path: &Path) -> Option<String> {
    let name = |n| if n == 1 { "known-peers.damaged.json".to_owned() } else { format!("known-peers.damaged-{n}.json") };
    let name = (1..=MAX_ASIDE).map(name).find(|name| !path.with_file_name(name).exists())?;
    match fs::rename(path, path.with_file_name(&name)) {
        Ok(()) => Some(name),
        Err(error) => {
            tracing::warn!(kind = ?error.kind(), "the damaged list could not be set aside");
            None
        }
    }
}

fn damaged(aside: Option<&str>) -> Notice {
    let after = match aside {
        Some(name) => format!("The old file is kept as {name}."),
        None => "The old file is left as it is, and nobody you verify now is kept.".to_owned(),
    };
    Notice {
        code: "known-peers-damaged".to_owned(),
        tone: Tone::Warn,
        text: format!("The list of people you verified could not be read. Compare the words again. {after}"),
        peer: None,
    }
}

#[cfg(test)]
mod tests {
    use parlor_protocol::PeerId;

    use super::*;

    fn room(name: &str) -> RoomName {
        name.parse().expect("a name")
    }

    fn anna(verified_ms: u64) -> KnownPeer {
        KnownPeer { peer: PeerId([1; 16]), name: "Anna".to_owned(), verified_ms }
    }

    #[tokio::test]
    async fn who_was_verified_is_known_at_the_next_start_in_that_room_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut known, notice) = KnownPeers::open(Some(folder.path()));
        assert_eq!(notice, None);
        known.keep(&room("garden"), vec![anna(1)]);
        known.keep(&room("garden"), vec![anna(2)]);
        known.keep(&room("attic"), vec![anna(3)]);
        known.keep(&room("attic"), Vec::new());
        known.flush().await;
        let (known, notice) = KnownPeers::open(Some(folder.path()));
        assert_eq!(notice, None);
        assert_eq!(known.of(&room("garden")), [anna(2)]);
        assert_eq!(known.of(&room("attic")), []);
    }

    #[tokio::test]
    async fn files_that_are_damaged_are_all_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        for text in ["{", "[1]"] {
            fs::write(folder.path().join(FILE), text).expect("written");
            let (mut known, notice) = KnownPeers::open(Some(folder.path()));
            assert_eq!(notice.expect("told").code, "known-peers-damaged");
            known.keep(&room("garden"), vec![anna(1)]);
            known.flush().await;
        }
        let kept = |name: &str| fs::read_to_string(folder.path().join(name)).expect("kept");
        assert_eq!((kept("known-peers.damaged.json"), kept("known-peers.damaged-2.json")), ("{".into(), "[1]".into()));
        assert_eq!(KnownPeers::open(Some(folder.path())).0.of(&room("garden")), [anna(1)]);
    }

    #[tokio::test]
    async fn what_cannot_be_moved_away_is_not_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        fs::write(&path, "{").expect("written");
        for n in 1..=MAX_ASIDE {
            let name = if n == 1 { "known-peers.damaged.json".into() } else { format!("known-peers.damaged-{n}.json") };
            fs::write(folder.path().join(name), "").expect("written");
        }
        let (mut known, notice) = KnownPeers::open(Some(folder.path()));
        assert!(notice.expect("told").text.contains("left as it is"));
        known.keep(&room("garden"), vec![anna(1)]);
        known.flush().await;
        assert_eq!(fs::read_to_string(&path).expect("there"), "{");
        assert_eq!(known.of(&room("garden")), [anna(1)]);
    }

    #[tokio::test]
    async fn rooms_of_long_ago_are_forgotten() {
        let (mut known, _) = KnownPeers::open(None);
        for n in 0..=MAX_ROOMS {
            known.keep(&room(&format!("room-{n}")), vec![anna(n as u64 + 1)]);
        }
        assert_eq!(known.rooms.len(), MAX_ROOMS);
        assert_eq!(known.of(&room("room-0")), []);
    }
}
