//! A folder of results: figures, tables, a report that shows them, and a manifest to trace and check them by.

use super::{manifest, report};
use crate::defects::write_parquet;
use crate::error::{Error, Result};
use crate::figure::Figure;
use crate::file::write_whole;
use crate::movie::Movie;
use polars::prelude::{DataFrame, DataType};
use polars_io::SerWriter;
use polars_io::csv::write::CsvWriter;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What every figure is saved as.
pub(super) const PICTURES: [&str; 3] = ["svg", "png", "pdf"];

/// A folder that collects what an analysis gives.
///
/// Figures go to `figures/` (SVG, PNG and PDF), tables to `tables/` (Parquet, and CSV for spreadsheets). [`Results::finish`]
/// writes `report.html`, which shows them in the order in which they were added, and `manifest.json`: inputs, versions,
/// seeds, options, and the size and SHA-256 of every file.
///
/// ```
/// use atomotion::prelude::*;
/// let folder = std::env::temp_dir().join("atomotion-results");
/// let movie = Movie::dataset("ws2-tiny")?;
/// let mut results = Results::create(&folder, "A first look")?;
/// results.input(&movie)?;
/// results.figure("movie", "First, middle and last frame.", &movie.figure()?)?;
/// results.table("truth", "What was put in.", &dataset_truth("ws2-tiny")?)?;
/// results.finish()?;
/// assert!(folder.join("figures/movie.svg").is_file() && folder.join("tables/truth.csv").is_file());
/// # std::fs::remove_dir_all(&folder).ok();
/// # Ok::<(), Error>(())
/// ```
pub struct Results {
    folder: PathBuf,
    title: String,
    items: Vec<Item>,
    inputs: Vec<Value>,
    options: Value,
    /// Files of the caller's own that belong to the results, by their path in the folder.
    others: Vec<String>,
}

/// What the report shows, in order.
pub(super) enum Item {
    Heading(String),
    Words(String),
    Figure { name: String, caption: String },
    Table { name: String, caption: String, table: DataFrame },
}

impl Results {
    /// Creates the folder, or takes one that is there: files of the same names are replaced, others stay.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn create(folder: impl AsRef<Path>, title: &str) -> Result<Results> {
        let folder = folder.as_ref().to_path_buf();
        for part in ["figures", "tables"] {
            let part = folder.join(part);
            std::fs::create_dir_all(&part).map_err(Error::io("create", part))?;
        }
        let (items, inputs, others) = (vec![], vec![], vec![]);
        Ok(Results { folder, title: title.into(), items, inputs, options: Value::Null, others })
    }

    /// Where a notebook's results go: the folder that `ATOMOTION_OUT` names (`cargo lab run NOTEBOOK --movie PATH` sets
    /// it), else `results/NAME` beside the notebook.
    ///
    /// # Errors
    /// As [`Results::create`].
    pub fn of_notebook(name: &str) -> Result<Results> {
        let named = std::env::var_os("ATOMOTION_OUT").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        Results::create(named.unwrap_or_else(|| Path::new("results").join(name)), name)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Notes a movie that the results come from: its shape, calibration and the SHA-256 of its pixels (as 32-bit floats,
    /// little-endian, frame after frame, whatever the file's format).
    ///
    /// # Errors
    /// If a frame cannot be read, or the user asked to stop.
    pub fn input(&mut self, movie: &Movie) -> Result<()> {
        self.inputs.push(manifest::of_movie(movie)?);
        Ok(())
    }

    /// Notes an input that was described before.
    pub(super) fn described(&mut self, input: Value) {
        self.inputs.push(input);
    }

    /// Notes with which options the results were made.
    pub(super) fn options(&mut self, options: Value) {
        self.options = options;
    }

    /// Notes a file or folder of the caller's own in the folder, so that the manifest lists it.
    pub(super) fn other(&mut self, path: &str) {
        self.others.push(path.into());
    }

    /// A heading in the report.
    pub fn heading(&mut self, words: impl Into<String>) {
        self.items.push(Item::Heading(words.into()));
    }

    /// A paragraph in the report.
    pub fn words(&mut self, words: impl Into<String>) {
        self.items.push(Item::Words(words.into()));
    }

    /// Saves a figure as `figures/NAME.svg` and `.png`.
    ///
    /// # Errors
    /// If the name is not one for a file, or a file cannot be written.
    pub fn figure(&mut self, name: &str, caption: &str, figure: &Figure) -> Result<()> {
        self.usable(name, "figures")?;
        for ending in PICTURES {
            figure.save(self.folder.join(format!("figures/{name}.{ending}")))?;
        }
        self.items.push(Item::Figure { name: name.into(), caption: caption.into() });
        Ok(())
    }

    /// Saves a table as `tables/NAME.parquet` and `.csv`.
    ///
    /// # Errors
    /// If the name is not one for a file, a file cannot be written, or the table has columns that CSV cannot hold.
    pub fn table(&mut self, name: &str, caption: &str, table: &DataFrame) -> Result<()> {
        self.usable(name, "tables")?;
        let path = |ending: &str| self.folder.join(format!("tables/{name}.{ending}"));
        write_parquet(table, path("parquet"))?;
        let mut csv = vec![];
        CsvWriter::new(&mut csv).finish(&mut flat(table)?)?;
        write_whole(&path("csv"), &csv)?;
        self.items.push(Item::Table { name: name.into(), caption: caption.into(), table: table.clone() });
        Ok(())
    }

    /// A name that makes a file, and that no other figure, or no other table, has.
    fn usable(&self, name: &str, folder: &str) -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        crate::error::check("name", name, !name.is_empty() && name.chars().all(plain), "letters, digits, - and _")?;
        let start = format!("{folder}/{name}.");
        if self.files().iter().any(|file| file.starts_with(&start)) {
            return Err(Error::data(format!("{folder}/{name} is in these results already: choose another name")));
        }
        Ok(())
    }

    /// The files so far, by their path in the folder.
    pub(super) fn files(&self) -> Vec<String> {
        let mut files = vec![];
        for item in &self.items {
            match item {
                Item::Figure { name, .. } => files.extend(PICTURES.map(|e| format!("figures/{name}.{e}"))),
                Item::Table { name, .. } => files.extend(["parquet", "csv"].map(|e| format!("tables/{name}.{e}"))),
                Item::Heading(_) | Item::Words(_) => {}
            }
        }
        files.extend(self.others.iter().cloned());
        files
    }

    /// Writes `report.html` and `manifest.json`. Call it last; calling it again replaces both.
    ///
    /// # Errors
    /// If a file cannot be written, or one that the results list is gone.
    pub fn finish(&self) -> Result<()> {
        let page = report::page(&self.title, &self.inputs, &self.items);
        write_whole(&self.folder.join("report.html"), page.as_bytes())?;
        let mut files = self.files();
        files.push("report.html".into());
        let manifest = manifest::of(&self.folder, &self.title, &self.inputs, &self.options, &files)?;
        write_whole(&self.folder.join("manifest.json"), format!("{manifest:#}\n").as_bytes())
    }
}

/// The table without what CSV cannot hold: lists and structs as their text.
fn flat(table: &DataFrame) -> Result<DataFrame> {
    let mut flat = table.clone();
    for column in table.columns() {
        if column.dtype().is_nested() {
            flat.with_column(column.cast(&DataType::String)?)?;
        }
    }
    Ok(flat)
}

impl std::fmt::Debug for Results {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = |figure: bool| {
            let kind = |item: &&Item| match item {
                Item::Figure { .. } => figure,
                Item::Table { .. } => !figure,
                _ => false,
            };
            self.items.iter().filter(kind).count()
        };
        write!(f, "{}: {} figures and {} tables in {}", self.title, count(true), count(false), self.folder.display())?;
        for file in self.files() {
            write!(f, "\n  {file}")?;
        }
        Ok(())
    }
}
