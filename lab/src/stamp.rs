//! What the last set-up was made with: `.atomotion/setup.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stamp(pub BTreeMap<String, String>);

impl Stamp {
    /// An unreadable stamp is as good as none: the part is done again.
    pub fn read(dot: &Path) -> Stamp {
        let text = fs::read_to_string(dot.join("setup.json")).unwrap_or_default();
        Stamp(serde_json::from_str(&text).unwrap_or_default())
    }

    pub fn write(&self, dot: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(&self.0).map_err(|error| error.to_string())?;
        write_whole(&dot.join("setup.json"), &(text + "\n"))
    }

    pub fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// Which of what decides over the kernel changed since `self`, in words. Empty also when there was no set-up.
    pub fn changes(&self, now: &Stamp) -> Vec<String> {
        let subjects = [
            ("rustc", "the Rust compiler"),
            ("clone", "the place of this clone"),
            ("target", "cargo's target folder"),
            ("libtorch", "libtorch"),
            ("library", "the library"),
            ("kernel", "the kernel's program"),
        ];
        let changed = subjects.iter().filter(|(key, _)| self.0.contains_key(*key) && self.get(key) != now.get(key));
        changed
            .map(|(key, subject)| match *key {
                "library" | "kernel" => format!("{subject} was built anew"),
                _ => format!("{subject} changed (was {}, is {})", headline(self.get(key)), headline(now.get(key))),
            })
            .collect()
    }
}

fn headline(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Size and time of change: a cheap sign that a file is the one we knew.
pub fn fingerprint(path: &Path) -> String {
    let Ok(found) = fs::metadata(path) else {
        return "absent".into();
    };
    let time = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    format!("{} bytes, {} ns", found.len(), time.as_nanos())
}

/// Writes a file so that nobody ever sees half of it.
pub fn write_whole(path: &Path, text: &str) -> Result<(), String> {
    let say = |error: std::io::Error| format!("{}: {error}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(say)?;
    let partial = path.with_extension("partial");
    fs::write(&partial, text).and_then(|()| fs::rename(&partial, path)).map_err(say)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(pairs: &[(&str, &str)]) -> Stamp {
        Stamp(pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect())
    }

    #[test]
    fn changes_are_named_with_both_values() {
        let before = stamp(&[("rustc", "rustc 1.95.0\nhost: x"), ("clone", "/a"), ("library", "1")]);
        let after = stamp(&[("rustc", "rustc 1.96.0\nhost: x"), ("clone", "/a"), ("library", "2")]);
        let changes = before.changes(&after);
        assert_eq!(changes.len(), 2);
        assert_eq!(changes[0], "the Rust compiler changed (was rustc 1.95.0, is rustc 1.96.0)");
        assert_eq!(changes[1], "the library was built anew");
        assert!(after.changes(&after).is_empty());
        assert!(Stamp::default().changes(&after).is_empty());
    }

    #[test]
    fn a_stamp_survives_the_disk_and_a_broken_one_counts_as_none() {
        let folder = std::env::temp_dir().join(format!("atomotion-stamp-{}", std::process::id()));
        let written = stamp(&[("clone", "/a b"), ("rustc", "x\ny")]);
        written.write(&folder).unwrap();
        assert_eq!(Stamp::read(&folder), written);
        fs::write(folder.join("setup.json"), "{\"clone\":").unwrap();
        assert_eq!(Stamp::read(&folder), Stamp::default());
        fs::remove_dir_all(folder).unwrap();
    }
}
