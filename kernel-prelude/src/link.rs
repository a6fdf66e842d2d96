//! How launchers and kernel processes talk: a socket, a line of JSON a message. When one end closes, the other ends.

use crate::Result;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a launcher tells the kernel that is to be Jupyter's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Adoption {
    /// Jupyter's connection file.
    pub control: PathBuf,
    /// The notebook's folder.
    pub folder: PathBuf,
    pub variables: Vec<(String, String)>,
    /// What the kernel was prepared for; a kernel that was prepared for something else refuses.
    pub recipe: String,
}

/// What a kernel process tells who started or adopted it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Word {
    /// It can run cells.
    Ready,
    Adopted {
        session: PathBuf,
        process: u32,
    },
    Refused,
    /// Nothing more is to be done for this launcher. A kernel that is to be restarted keeps its session.
    Ended {
        keeps: bool,
    },
}

/// Binds a socket of any path, in place of one that a dead process has left there. The system takes 107 bytes of a
/// path, which a deep cache folder exceeds: so the folder is named by the number that it has in this process.
pub fn bind(path: &Path) -> Result<UnixListener> {
    let _ = std::fs::remove_file(path);
    let bound = with_short_name(path, |short| UnixListener::bind(short));
    bound.map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Connects to a socket of any path.
pub fn connect(path: &Path) -> std::io::Result<UnixStream> {
    with_short_name(path, |short| UnixStream::connect(short))
}

fn with_short_name<T>(path: &Path, work: impl FnOnce(&Path) -> std::io::Result<T>) -> std::io::Result<T> {
    let folder = File::open(path.parent().unwrap_or(Path::new("/")))?;
    let number = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    work(&number.join(path.file_name().unwrap_or_default()))
}

pub struct Link {
    read: BufReader<UnixStream>,
    write: UnixStream,
}

impl Link {
    pub fn new(stream: UnixStream) -> Result<Link> {
        Ok(Link { read: BufReader::new(stream.try_clone()?), write: stream })
    }

    pub fn say(&mut self, what: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(what)? + "\n";
        Ok(self.write.write_all(line.as_bytes())?)
    }

    /// The next message; `None` when the other end has gone.
    pub fn hear<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let mut line = String::new();
        if self.read.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line)?))
    }

    /// Gives up waiting for a message after this long; `None` waits for ever.
    pub fn set_patience(&self, patience: Option<Duration>) -> Result<()> {
        Ok(self.write.set_read_timeout(patience)?)
    }

    /// A second handle to say something with.
    pub fn speaker(&self) -> Result<Link> {
        Link::new(self.write.try_clone()?)
    }

    /// Hangs up, whatever handles there are.
    pub fn hang_up(&self) {
        // The other end may have done so already.
        let _ = self.write.shutdown(std::net::Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_may_lie_deep() {
        let root = std::env::temp_dir().join(format!("atomotion-deep-{}", std::process::id()));
        let folder = root.join("a-folder-with-a-long-name/".repeat(8));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("socket");
        let door = bind(&path).unwrap();
        let mut link = Link::new(connect(&path).unwrap()).unwrap();
        link.say(&Word::Ready).unwrap();
        let heard = Link::new(door.accept().unwrap().0).unwrap().hear::<Word>().unwrap();
        assert_eq!(heard, Some(Word::Ready));
        std::fs::remove_dir_all(root).unwrap();
    }
}
