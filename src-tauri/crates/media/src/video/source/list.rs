//! Which cameras there are.

/// A camera that can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// What the camera keeps when it is plugged in again, at whatever number.
    pub(super) id: String,
    /// For people.
    pub(super) name: String,
    /// The system's number.
    pub(super) index: u32,
}

/// All cameras, by the system's number.
pub(super) fn entries() -> Vec<Entry> {
    identify(system())
}

/// The camera of this id, or at this number, or at `/dev/video` of this number; the first one where no id is given.
pub(super) fn find(entries: Vec<Entry>, id: Option<&str>) -> Option<Entry> {
    let Some(id) = id else { return entries.into_iter().next() };
    let index = id.strip_prefix("/dev/video").unwrap_or(id).parse::<u32>().ok();
    let by_id = entries.iter().position(|entry| entry.id == id);
    let found = by_id.or_else(|| entries.iter().position(|entry| Some(entry.index) == index))?;
    entries.into_iter().nth(found)
}

/// The id is the name; of several with one name, the others get a number behind it.
fn identify(mut found: Vec<(u32, String)>) -> Vec<Entry> {
    found.sort();
    let mut entries: Vec<Entry> = Vec::with_capacity(found.len());
    for (index, name) in found {
        let same = entries.iter().filter(|entry| entry.name == name).count();
        let id = if same == 0 { name.clone() } else { format!("{name} #{}", same + 1) };
        entries.push(Entry { id, name, index });
    }
    entries
}

/// Read from the file system, not from the devices: opening one to ask would wake it, and its light.
#[cfg(target_os = "linux")]
fn system() -> Vec<(u32, String)> {
    let Ok(folder) = std::fs::read_dir("/dev") else { return Vec::new() };
    let index = |entry: std::fs::DirEntry| entry.file_name().to_str()?.strip_prefix("video")?.parse().ok();
    folder.filter_map(Result::ok).filter_map(index).filter_map(node).collect()
}

#[cfg(target_os = "linux")]
fn node(index: u32) -> Option<(u32, String)> {
    let read = |file: &str| std::fs::read_to_string(format!("/sys/class/video4linux/video{index}/{file}")).ok();
    // A webcam has a second node for its metadata; the kernel numbers the nodes of one device.
    if read("index").is_some_and(|order| order.trim() != "0") {
        return None;
    }
    let name = read("name").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    Some((index, name.unwrap_or_else(|| format!("Camera {index}"))))
}

#[cfg(not(target_os = "linux"))]
fn system() -> Vec<(u32, String)> {
    let found = nokhwa::query(nokhwa::utils::ApiBackend::Auto).unwrap_or_default();
    found.iter().filter_map(|info| Some((info.index().as_index().ok()?, info.human_name()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Vec<Entry> {
        identify(vec![(4, "Logi".to_owned()), (0, "Built-in".to_owned()), (2, "Logi".to_owned())])
    }

    #[test]
    fn cameras_of_one_name_have_ids_of_their_own() {
        let ids: Vec<_> = found().into_iter().map(|entry| (entry.index, entry.id)).collect();
        assert_eq!(ids, [(0, "Built-in".to_owned()), (2, "Logi".to_owned()), (4, "Logi #2".to_owned())]);
    }

    #[test]
    fn a_camera_is_found_by_id_number_or_path() {
        let index = |id| find(found(), id).map(|entry| entry.index);
        assert_eq!(index(None), Some(0));
        assert_eq!(index(Some("Logi #2")), Some(4));
        assert_eq!(index(Some("2")), Some(2));
        assert_eq!(index(Some("/dev/video4")), Some(4));
        assert_eq!(index(Some("gone")), None);
        assert_eq!(find(Vec::new(), None), None);
    }
}
