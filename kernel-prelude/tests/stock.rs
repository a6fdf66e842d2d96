//! The prelude in a stock evcxr: without our kernel, through the lines that README.md tells a user to give it.
//!
//! Not run by the usual harness, because evcxr starts this executable again to run the code of cells.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

const CELLS: [(&str, &str); 4] = [
    ("let table = df!(\"n\" => [1, 2, 3])?;", ""),
    ("table", "shape: (3, 1)"),
    ("let sum = table.column(\"n\")?.as_materialized_series().sum::<i32>()?;", ""),
    ("sum * 7", "42"),
];

fn main() {
    evcxr::runtime_hook();
    let clone = std::env::var_os("ATOMOTION_PROJECT").map(PathBuf::from);
    let clone = clone.unwrap_or_else(|| {
        // Of the clone that is tested, which need not be the one that this was compiled in: clones may share a target folder.
        let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        package.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR"))).join("..")
    });
    let facade = clone.join(".atomotion/kernel/facade/stock.evcxr");
    let lines = std::fs::read_to_string(&facade)
        .unwrap_or_else(|error| panic!("{}: {error}: run `cargo lab setup` first", facade.display()));
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("RUSTFLAGS", "--cfg atomotion_analysis") };

    let (mut context, outputs) = evcxr::CommandContext::new().unwrap();
    std::thread::spawn(move || outputs.stderr.iter().for_each(|line| eprintln!("{line}")));
    let mut run = |cell: &str| -> HashMap<String, String> {
        let started = Instant::now();
        let result = context.execute(cell);
        let first = cell.lines().next().unwrap_or_default();
        println!("{:.1} s: {:.60}", started.elapsed().as_secs_f64(), first);
        result.unwrap_or_else(|error| panic!("{cell}\n{error:?}")).content_by_mime_type
    };
    run(&lines);
    for (cell, expected) in CELLS {
        let shown = run(cell).remove("text/plain").unwrap_or_default();
        assert!(shown.contains(expected), "{cell} showed {shown:?}, not {expected:?}");
    }
    println!("The prelude works in a stock evcxr.");
}
