//! What can go wrong, said so that the reader knows what to do next.

use std::path::PathBuf;

/// The one error type of the crate. Its `Display` leads with what was wrong and ends with what to do.
#[derive(thiserror::Error)]
pub enum Error {
    /// A file could not be opened, read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: "open", "read", "write".
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what its reader expects: wrong type, truncated, or a kind of data that is not an image.
    #[error("{}: {problem}", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// An option has a value that makes no sense; nothing was computed.
    #[error("{option} = {value} is not valid: {expected}")]
    Option {
        /// Name of the field.
        option: &'static str,
        /// The value it had.
        value: String,
        /// What would be valid.
        expected: String,
    },
    /// The data cannot be used as they are (NaN, constant, too small, nothing found).
    #[error("{0}")]
    Data(String),
    /// libtorch refused.
    #[error("libtorch: {}", said_by_libtorch(&.0.to_string()))]
    Torch(#[from] tch::TchError),
    /// Polars refused.
    #[error("table: {0}")]
    Table(#[from] polars::error::PolarsError),
    /// A figure could not be drawn.
    #[error("figure: {0}")]
    Figure(String),
    /// The user asked the cell to stop, and it did.
    #[error("interrupted {doing}.\nKept: {kept}")]
    Interrupted {
        /// What was under way, and how far it was: "after 120 of 400 training steps".
        doing: String,
        /// What is still there, and how to go on.
        kept: String,
    },
}

/// `Debug` is what a notebook prints for an error that leaves a cell through `?`: it says the same as `Display`.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// A result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }

    pub(crate) fn format(path: impl Into<PathBuf>, problem: impl Into<String>) -> Error {
        Error::Format { path: path.into(), problem: problem.into() }
    }

    pub(crate) fn interrupted(doing: impl Into<String>, kept: impl Into<String>) -> Error {
        Error::Interrupted { doing: doing.into(), kept: kept.into() }
    }

    /// The same error; of an interruption, what the caller of the interrupted work was doing.
    pub(crate) fn while_doing(self, doing: impl FnOnce() -> String, kept: &str) -> Error {
        if let Error::Interrupted { .. } = self { Error::interrupted(doing(), kept) } else { self }
    }

    /// Whether libtorch says that there was not enough memory: CUDA's words, its allocators', or the system's.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        let Error::Torch(said) = self else { return false };
        let said = said.to_string().to_ascii_lowercase();
        ["out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory", "alloc_failed"]
            .iter()
            .any(|words| said.contains(words))
    }

    pub(crate) fn data(message: impl Into<String>) -> Error {
        Error::Data(message.into())
    }
}

/// What libtorch said, without the C++ stack that it puts behind it.
pub(crate) fn said_by_libtorch(message: &str) -> &str {
    let said = message.split_once("\nException raised from").map_or(message, |(said, _)| said);
    said.trim_start_matches("Internal torch error: ").trim_end()
}

/// Checks one option: `check("threshold", value, value > 0.0, "a positive number")?`.
pub(crate) fn check(
    option: &'static str,
    value: impl std::fmt::Display,
    valid: bool,
    expected: impl Into<String>,
) -> Result<()> {
    if valid {
        return Ok(());
    }
    Err(Error::Option { option, value: value.to_string(), expected: expected.into() })
}

/// Writes the `with_…` setters of an options struct, one line each.
macro_rules! setters {
    ($($field:ident: $type:ty => $setter:ident),* $(,)?) => {
        $(
            #[doc = concat!("Sets [`", stringify!($field), "`](#structfield.", stringify!($field), ").")]
            #[must_use]
            pub fn $setter(mut self, value: $type) -> Self {
                self.$field = value;
                self
            }
        )*
    };
}
pub(crate) use setters;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtorch_speaks_without_its_stack() {
        let error = tch::Tensor::zeros([2, 3], (tch::Kind::Float, tch::Device::Cpu)).f_reshape([7]).unwrap_err();
        assert!(error.to_string().contains("frame #0"), "{error}");
        assert_eq!(Error::from(error).to_string(), "libtorch: shape '[7]' is invalid for input of size 6");
    }
}
